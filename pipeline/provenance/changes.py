"""What differs between the ingredients of two executions of a step."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from dataplane.files.digests import bytes_digest
from pipeline.config.settings import flattened
from pipeline.execution.metadata import Execution, Store

Kind: TypeAlias = Literal["input", "source", "component", "parameter", "code", "library", "python"]
_PYTHON = "python"


@dataclass(frozen=True)
class InputArtifact:
    """An artifact that an execution read.

    Attributes:
        address: `STEP/EXECUTION/OUTPUT`.
        digest: digest of its content; "" if the record of its producer is missing or has no digests.
    """

    address: str
    digest: str


@dataclass(frozen=True)
class Change:
    """An ingredient that differs.

    Attributes:
        kind: kind of ingredient.
        name: name of the parameter, input, source, file of code or library.
        how: whether only one of the executions has it.
        before: its value in the earlier execution: a JSON value, version, digest or `InputArtifact`; None if added.
        after: its value in the later execution; None if removed.
    """

    kind: Kind
    name: str
    how: Literal["changed", "added", "removed"]
    before: Any
    after: Any


def changes(store: Store, before: Execution, after: Execution) -> tuple[Change, ...]:
    """The ingredients that differ. Leaves out code and sources if a record has no digests of them."""
    component = [{"class": execution.component} for execution in (before, after)]
    return (
        *_input_changes(store, before, after),
        *_differing("source", before.external, after.external),
        *_differing("component", *component),
        *_differing("parameter", dict(flattened(before.params)), dict(flattened(after.params))),
        *_differing("code", before.code, after.code),
        *_differing("library", before.libraries, after.libraries),
    )


def artifact_digest(execution: Execution, output: str) -> str:
    """Digest of the content of an output, from the recorded digests of its files; "" if there are none."""
    files = sorted((path, digest) for path, digest in execution.digests.items() if path.startswith(f"{output}/"))
    return bytes_digest("".join(f"{path}\0{digest}\n" for path, digest in files).encode()) if files else ""


def producer_of(store: Store, execution: Execution, name: str) -> Execution | None:
    """The execution that produced an input, or the newest with its cache key; None if the records are missing."""
    if name not in execution.inputs:
        return None
    node, made, _ = execution.inputs[name].split("/")
    found = store.execution(node, made)
    if found is None and (key := execution.input_fingerprints.get(name)) is not None:
        found = next(reversed(store.matching(node, key)), None)
    return found


def _input_changes(store: Store, before: Execution, after: Execution) -> Iterator[Change]:
    keys = [{name: _input_key(execution, name) for name in execution.inputs} for execution in (before, after)]
    for change in _differing("input", *keys):
        old, new = (_input_artifact(store, execution, change.name) for execution in (before, after))
        yield Change("input", change.name, change.how, old, new)


def _input_key(execution: Execution, name: str) -> str:
    """What decides whether two inputs are equal; records of older releases have the address alone."""
    node, _, output = execution.inputs[name].split("/")
    key = execution.input_fingerprints.get(name)
    return execution.inputs[name] if key is None else f"{node}/{key}/{output}"


def _input_artifact(store: Store, execution: Execution, name: str) -> InputArtifact | None:
    if name not in execution.inputs:
        return None
    producer, output = producer_of(store, execution, name), execution.inputs[name].rpartition("/")[2]
    return InputArtifact(execution.inputs[name], artifact_digest(producer, output) if producer else "")


def _differing(kind: Kind, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[Change]:
    if before is None or after is None:
        return
    for name in dict.fromkeys([*before, *after]):
        kind_here: Kind = "python" if kind == "library" and name == _PYTHON else kind
        if name not in before:
            yield Change(kind_here, name, "added", None, after[name])
        elif name not in after:
            yield Change(kind_here, name, "removed", before[name], None)
        elif before[name] != after[name]:
            yield Change(kind_here, name, "changed", before[name], after[name])
