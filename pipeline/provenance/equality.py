"""Whether two executions of a step came out equal.

Some files hold what no repetition can bring back: times and sizes of memory, and what a process names after itself.
These are compared without such values, or not at all:

- SavedModels: variables, assets and configuration count, the graph does not (see `models.saved_models.content`),
- checkpoints: values of variables count, their names do not,
- JSON files: measured times, and sizes of models,
- text protos (`.pbtxt`): comments,
- TensorBoard's logs, and TensorFlow's list of checkpoints, which holds times.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from dataplane.artifacts.infra_blessing import InfraVerdict
from dataplane.artifacts.model import TrainingReport
from dataplane.artifacts.serving_model import IndexReport
from dataplane.errors.messages import quoted
from pipeline.execution.integrity import take_digests
from pipeline.execution.metadata import Execution, Store

_NOT_COMPARED = (
    "*/saved_model.pb",
    "*/fingerprint.pb",
    "*/assets.extra/digests.json",
    "*/checkpoints/checkpoint",
    "*/tensorboard/*",
)
_MEASURED: Mapping[str, frozenset[str]] = {
    TrainingReport.FILE: frozenset({"seconds", "milliseconds_per_step"}),
    IndexReport.FILE: frozenset({"build_seconds", "latency_ms", "latency_ms_batch_1", "latency_ms_batch_64", "bytes"}),
    InfraVerdict.FILE: frozenset({"load_seconds", "warm_up_seconds", "memory_bytes", "latency_ms"}),
}
"""Measured keys of documents, at any depth."""
_OF_CHECKPOINT = re.compile(r"(.+)\.(?:index|data-\d+-of-\d+)")
_SHOWN = 3


@dataclass(frozen=True)
class Outcome:
    """How a repeated execution compares with the recorded one.

    Attributes:
        equal: number of files that are equal to the byte.
        alike: number of files that are equal but for what cannot be brought back.
        not_compared: number of files that are not compared.
        differences: a text for each file that differs.
    """

    equal: int
    alike: int
    not_compared: int
    differences: tuple[str, ...]


def compare_outputs(recorded: tuple[Store, Execution], repeated: tuple[Store, Execution]) -> Outcome:
    """Compares the files of two executions by their digests, and where these differ by what they hold.

    Args:
        recorded: the execution of the run, with its records.
        repeated: the new execution, with its records.
    """
    (before, old), (after, new) = (_files(store, execution) for store, execution in (recorded, repeated))
    differences, equal, alike, not_compared = [], 0, 0, 0
    for path in sorted(old.keys() | new.keys()):
        if any(fnmatchcase(path, pattern) for pattern in _NOT_COMPARED):
            not_compared += 1
        elif path not in old or path not in new:
            differences.append(f"{path} is {'new' if path not in old else 'missing'}")
        elif old[path] == new[path]:
            equal += 1
        elif problem := _difference(before, after, path):
            differences.append(f"{path} {problem}")
        else:
            alike += 1
    return Outcome(equal, alike, not_compared, tuple(differences))


def _files(store: Store, execution: Execution) -> tuple[Path, Mapping[str, str]]:
    directory = store.execution_directory(execution.node, execution.id)
    return directory, execution.digests or take_digests(directory, execution.outputs)


def _difference(before: Path, after: Path, path: str) -> str:
    """Describes how a file with another digest differs; "" if only in what is not compared."""
    old, new = before / path, after / path
    if not old.is_file():
        return "has another digest; the recorded file is gone"
    if path.endswith(".json"):
        return _json_difference(old, new)
    if path.endswith(".pbtxt") and _without_comments(old) == _without_comments(new):
        return ""
    if (checkpoint := _checkpoint(path)) and _same_values(before / checkpoint, after / checkpoint):
        return ""
    return "has another digest"


def _json_difference(old: Path, new: Path) -> str:
    measured = _MEASURED.get(old.name, frozenset())
    try:
        before, after = (dict(_compared(json.loads(file.read_text(encoding="utf-8")), measured)) for file in (old, new))
    except (OSError, ValueError):
        return "has another digest"
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    told = ", ".join(f"{key}: {quoted(before.get(key))} → {quoted(after.get(key))}" for key in keys[:_SHOWN])
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return f"differs in {told}{more}" if keys else ""


def _compared(value: Any, measured: Collection[str], place: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of a JSON file, without measured ones: `("curve.0.loss", 6.5)`."""
    if not isinstance(value, dict | list) or not value:
        yield place, value
        return
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        if key not in measured:
            yield from _compared(part, measured, f"{place}.{key}" if place else str(key))


def _without_comments(file: Path) -> list[bytes]:
    return [line for line in file.read_bytes().splitlines() if not line.lstrip().startswith(b"#")]


def _checkpoint(path: str) -> str:
    """The checkpoint that a file belongs to, such as `model/towers/variables/variables`; "" for another file."""
    found = _OF_CHECKPOINT.fullmatch(path)
    return found[1] if found else ""


def _same_values(old: Path, new: Path) -> bool:
    import tensorflow as tf

    from models.saved_models.checkpoints import same_values

    try:
        return same_values(old, new)
    except tf.errors.OpError:
        return False
