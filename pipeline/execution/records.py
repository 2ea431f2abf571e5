"""The records of executions and runs: JSON files that any release can read.

Keys that this release does not know are kept and written back. An invalid file raises an error with a reason, so a
caller that reads many files can report it and continue.
"""

import json
import stat
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, TypeAdapter, ValidationError

from dataplane.errors.messages import first_problem

_LARGEST_RECORD = 64 << 20
_LONGEST_REASON = 200


@dataclass(frozen=True)
class Unreadable:
    """An execution whose manifest cannot be used; it is treated as missing.

    Attributes:
        node: id of the node.
        id: id of the execution.
        lost: whether the manifest's content is invalid; False if the file system failed to read it.
    """

    node: str
    id: str
    lost: bool


class UnreadableRecordError(Exception):
    """A record that cannot be used.

    Attributes:
        lost: whether its content is invalid; False if the file system failed to read it.
    """

    def __init__(self, reason: str, *, lost: bool) -> None:
        super().__init__(reason[:_LONGEST_REASON])
        self.lost = lost


def now() -> str:
    """The current time, ISO 8601 in UTC to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _plain_name(name: str) -> str:
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"'{name}' is not a file name")
    return name


def _relative(path: str) -> str:
    for part in path.split("/"):
        _plain_name(part)
    return path


def _relative_of_any(path: str) -> str:
    _relative(path.removesuffix("/"))
    return path


def _address(address: str) -> str:
    if _relative(address).count("/") != 2:
        raise ValueError(f"'{address}' is not of the form STEP/EXECUTION/OUTPUT")
    return address


def _moment(text: str) -> str:
    if text and datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"'{text}' has no time zone")
    return text


def _or_empty(check: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: check(text) if text else text


_Name = Annotated[str, AfterValidator(_plain_name)]
_File = Annotated[str, AfterValidator(_relative)]
_FileOrDirectory = Annotated[str, AfterValidator(_relative_of_any)]
_Moment = Annotated[str, AfterValidator(_moment)]


@dataclass(frozen=True)
class Execution:
    """A finished execution of a node, as recorded in its manifest.

    Attributes:
        node: id of the node.
        id: id of the execution.
        component: class name of the component.
        fingerprint: its cache key.
        inputs: `node/execution/output` of every input.
        outputs: names of the outputs.
        params: the component's parameters.
        libraries: versions of the libraries it ran with.
        facts: figures that the executor reported.
        run: id of the run that executed it.
        started: start time, ISO 8601.
        seconds: wall-clock time.
        files: size in bytes of every file in the outputs, by path below the execution's directory.
        digests: digests of these files (`pipeline.execution.integrity`), "" for empty directories; absent in records
            of older releases.
        input_fingerprints: cache key of each input's producer; absent in records of older releases.
        external: digest of each external input, see `Prepared.external`; None in records of older releases.
        code: digest of each file of the step's code; None in records of older releases.
        parts: keys of the parts that it used, see `dataplane.parts`; absent in records of older releases.
        resources: `cpu_seconds` and `peak_memory_bytes`, see `pipeline.execution.resources`; empty in records of older
            releases.
        unknown: further keys, recorded by another release.
    """

    node: _Name
    id: _Name
    component: str
    fingerprint: str
    inputs: dict[str, Annotated[str, AfterValidator(_address)]]
    outputs: list[_Name]
    params: dict[str, Any]
    libraries: dict[str, str]
    facts: dict[str, Any]
    run: str
    started: str
    seconds: float
    files: dict[_File, int] = field(default_factory=dict)
    digests: dict[_FileOrDirectory, str] = field(default_factory=dict)
    input_fingerprints: dict[str, str] = field(default_factory=dict)
    external: dict[str, str] | None = None
    code: dict[str, str] | None = None
    parts: list[_Name] = field(default_factory=list)
    resources: dict[str, float] = field(default_factory=dict)
    unknown: dict[str, Any] = field(default_factory=dict)


NEW_KEY, FORCED, RENEWED, OUTDATED, DAMAGED = "new key", "forced", "renewed input", "outdated", "damaged"
REASONS = {
    NEW_KEY: "no earlier execution has its cache key",
    FORCED: "an option (--from, --only, --no-cache) asked for it",
    RENEWED: "an input with the same cache key was made again and has other content",
    OUTDATED: "the result no longer fits what is published, or its data are too old by now",
    DAMAGED: "files of the earlier execution are damaged or missing",
}
"""Why a step was executed."""


@dataclass
class Step:
    """A step of a run: `state` is cached, run, failed, refused, interrupted or waiting.

    `reason` is why it was executed, see `REASONS`; "" if it was not, or in records of older releases.
    `unfinished` is the execution of a step that failed, was refused or interrupted.
    """

    node: _Name
    state: str = "waiting"
    execution: Annotated[str, AfterValidator(_or_empty(_plain_name))] = ""
    seconds: float = 0.0
    reason: str = ""
    unfinished: Execution | None = None
    unknown: dict[str, Any] = field(default_factory=dict)


@dataclass
class Run:
    """A run of the pipeline: `state` is running, done, failed, refused or interrupted.

    `settings` are those that the user gave, nested as in the configuration. Relative paths of sources start from
    `base_dir`. Older releases did not record them.
    """

    id: _Name
    config: str
    pid: int
    started: _Moment = field(default_factory=now)
    finished: _Moment = ""
    state: str = "running"
    message: str = ""
    steps: list[Step] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    base_dir: str = ""
    unknown: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float | None:
        """Time from start to end; None if the run has not ended, negative if the clock was set back meanwhile."""
        if not self.started or not self.finished:
            return None
        return (datetime.fromisoformat(self.finished) - datetime.fromisoformat(self.started)).total_seconds()

    @property
    def span(self) -> str:
        """The newest span of the data that the run read; "" if the data have no spans."""
        data = self.settings.get("data")
        spans = data.get("spans") if isinstance(data, dict) else None
        return str(spans.get("span") or "") if isinstance(spans, dict) else ""

    @property
    def step_at_work(self) -> Step | None:
        """The step that a running run works on, the first without an outcome; None if the run has ended."""
        if self.state != "running":
            return None
        return next((step for step in self.steps if step.state == "waiting"), None)


RecordT = TypeVar("RecordT", Execution, Run)
_CHECKS: dict[type, TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in (Execution, Run)}


def to_json(record: Execution | Run) -> dict[str, Any]:
    """A record as a JSON object, including keys recorded by another release."""
    values = _spread(asdict(record))
    if isinstance(record, Run):
        values["steps"] = [_step_values(step) for step in values["steps"]]
    return values


def read_record(kind: type[RecordT], file: Path) -> RecordT:
    """Reads a record.

    Raises:
        FileNotFoundError: there is no such file.
        UnreadableRecordError: the file is not a record of this kind, or cannot be read.
    """
    value = _gathered(kind, _read_json(file))
    if kind is Run and isinstance(value.get("steps"), list):
        value["steps"] = [_gathered_step(step) for step in value["steps"]]
    try:
        record: RecordT = _CHECKS[kind].validate_python(value)
    except ValidationError as error:
        raise UnreadableRecordError(first_problem(error), lost=True) from None
    return record


def _step_values(values: dict[str, Any]) -> dict[str, Any]:
    unfinished = values.pop("unfinished")
    return _spread(values) | ({} if unfinished is None else {"unfinished": _spread(unfinished)})


def _spread(values: dict[str, Any]) -> dict[str, Any]:
    unknown = values.pop("unknown")
    return {**values, **unknown}


def _gathered_step(value: Any) -> dict[str, Any]:
    step = _gathered(Step, value)
    if step.get("unfinished") is not None:
        step["unfinished"] = _gathered(Execution, step["unfinished"])
    return step


def _gathered(kind: type, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UnreadableRecordError(f"expected a JSON object, got {json.dumps(value)[:40]}", lost=True)
    known = {field.name for field in fields(kind)} - {"unknown"}
    unknown = {name: content for name, content in value.items() if name not in known}
    return {**{name: content for name, content in value.items() if name in known}, "unknown": unknown}


def _read_json(file: Path) -> Any:
    try:
        content = _read(file)
        value = json.loads(content)
        json.dumps(value, ensure_ascii=False).encode()  # fails on lone surrogates, which cannot be printed
        return value
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableRecordError(error.strerror or str(error), lost=False) from None
    except (ValueError, RecursionError) as error:
        reason = "it is empty" if not content else f"it is not JSON: {error}"
        raise UnreadableRecordError(reason, lost=True) from None


def _read(file: Path) -> bytes:
    found = file.stat()
    if not stat.S_ISREG(found.st_mode):  # reading a pipe would block
        raise UnreadableRecordError("it is not a file", lost=True)
    if found.st_size > _LARGEST_RECORD:
        raise UnreadableRecordError(f"it has {found.st_size:,} bytes", lost=True)
    return file.read_bytes()
