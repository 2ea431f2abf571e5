"""What is compared between two executions, and what no repetition can bring back."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from pipeline.execution.metadata import Execution, Store
from pipeline.provenance.equality import Outcome, compare_outputs

BEFORE: dict[str, Any] = {"steps": 4, "seconds": 1.5, "curve": [{"loss": 6.5, "seconds": 0.5}]}


def execution(directory: Path, files: Mapping[str, str | bytes]) -> tuple[Store, Execution]:
    store = Store(directory, "toy")
    for path, content in files.items():
        file = store.execution_directory("Trainer", "1") / "model" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    made = Execution("Trainer", "1", "Trainer", "f" * 64, {}, ["model"], {}, {}, {}, "1", "", 1.0)
    return store, store.commit(made)


def compared(tmp_path: Path, before: Mapping[str, str | bytes], after: Mapping[str, str | bytes]) -> Outcome:
    return compare_outputs(execution(tmp_path / "before", before), execution(tmp_path / "after", after))


def test_equal_files_are_counted(tmp_path: Path) -> None:
    assert compared(tmp_path, {"a.npy": "1", "b.npy": "2"}, {"a.npy": "1", "b.npy": "2"}) == Outcome(2, 0, 0, ())


def test_files_that_differ_or_are_in_one_alone_are_named(tmp_path: Path) -> None:
    outcome = compared(tmp_path, {"a.npy": "1", "b.npy": "1"}, {"b.npy": "2", "c.npy": "1"})
    assert outcome.differences == (
        "model/a.npy is missing", "model/b.npy has another digest", "model/c.npy is new",
    )  # fmt: skip


@pytest.mark.parametrize(
    "path",
    [
        "towers/saved_model.pb",
        "towers/fingerprint.pb",
        "scann/assets.extra/digests.json",
        "checkpoints/checkpoint",
        "tensorboard/trial/events.out.tfevents.1.host.2",
    ],
)
def test_what_a_process_names_after_itself_is_not_compared(tmp_path: Path, path: str) -> None:
    assert compared(tmp_path, {path: "1"}, {path: "2"}) == Outcome(0, 0, 1, ())


def test_measured_values_are_not_compared(tmp_path: Path) -> None:
    after = {"steps": 4, "seconds": 9.0, "curve": [{"loss": 6.5, "seconds": 0.7}]}
    old, new = json.dumps(BEFORE), json.dumps(after)
    assert compared(tmp_path / "1", {"training.json": old}, {"training.json": new}) == Outcome(0, 1, 0, ())
    other = compared(tmp_path / "2", {"statistics.json": old}, {"statistics.json": new})
    assert other.differences[0].startswith("model/statistics.json differs in seconds: 1.5 → 9.0, "), "a column's name"


def test_other_values_are_shown_with_their_place(tmp_path: Path) -> None:
    after = BEFORE | {"curve": [{"loss": 6.25, "seconds": 0.5}], "name": "x"}
    outcome = compared(tmp_path, *({"report.json": json.dumps(content)} for content in (BEFORE, after)))
    assert outcome.differences == ("model/report.json differs in curve.0.loss: 6.5 → 6.25, name: None → 'x'",)


def test_comments_of_a_schema_are_not_compared(tmp_path: Path) -> None:
    before, after = "# Review it.\nfeature {}\n", "# Please review.\nfeature {}\n"
    assert compared(tmp_path / "1", {"schema.pbtxt": before}, {"schema.pbtxt": after}).differences == ()
    other = compared(tmp_path / "2", {"schema.pbtxt": before}, {"schema.pbtxt": "# Review it.\nfeature { a: 1 }\n"})
    assert other.differences == ("model/schema.pbtxt has another digest",)


def test_a_recorded_file_that_is_gone_is_told(tmp_path: Path) -> None:
    before = execution(tmp_path / "before", {"a.json": "{}"})
    (before[0].execution_directory("Trainer", "1") / "model" / "a.json").unlink()
    outcome = compare_outputs(before, execution(tmp_path / "after", {"a.json": "[]"}))
    assert outcome.differences == ("model/a.json has another digest; the recorded file is gone",)


def test_names_in_a_checkpoint_are_not_compared(tmp_path: Path) -> None:
    def files(name: str, value: float) -> dict[str, str | bytes]:
        written = Path(tf.train.Checkpoint(weights=tf.Variable([value], name=name)).write(str(tmp_path / name / "c")))
        return {f"towers/{file.name}": file.read_bytes() for file in written.parent.iterdir()}

    first = files("a", 1.0)
    outcome = compared(tmp_path / "1", first, files("b", 1.0))
    assert (outcome.equal + outcome.alike, outcome.differences) == (2, ())
    assert outcome.alike
    other = compared(tmp_path / "2", first, files("c", 2.0))
    assert "model/towers/c.data-00000-of-00001 has another digest" in other.differences
