"""`candidates` on a published pair that only its description makes a model."""

from pathlib import Path

import pytest

from components.pusher import PusherParams
from pipeline.cli import main
from serving.changes.change_log import Change, ChangeLog
from serving.model.descriptions import InputSpec, ModelDescription, Signature, write_description
from serving.model.version_digests import PROMISE, write_digests
from tests.components.pusher.pushes import save_pair
from tests.pipeline.serving_process import publish

IDENTITY = {"towers": "one"}
INPUTS = {
    "candidate_id": InputSpec(dtype="string", shape=(None,)),
    "cost": InputSpec(dtype="float32", shape=(None,)),
}


@pytest.fixture
def log(tmp_path: Path) -> ChangeLog:
    """The log of the published version."""
    pair = save_pair(tmp_path / "pair", "one").path
    for name in ("exact", "scann"):
        described = ModelDescription(
            identity=IDENTITY,
            signatures={"embed_candidate": Signature(inputs=INPUTS)},
            features={"candidate": {"cost": {"type": "numeric", "column": "eur"}}},
            filters={"colour": "equals"},
            **PROMISE,
        )
        write_description(pair / name, described)
        write_digests(pair / name)
    publisher = publish(tmp_path, PusherParams(directory=tmp_path / "serving", name="toy"), pair)
    directory = publisher.versions_of.changes
    assert directory is not None
    return ChangeLog(directory, max(publisher.versions_of.numbers("toy")), IDENTITY)


def changed(tmp_path: Path, kind: str, text: str) -> int:
    file = tmp_path / "rows.csv"
    file.write_text(text)
    return main(["candidates", kind, str(file), "toy", "--root", str(tmp_path)])


def test_the_rows_of_a_file_are_one_batch_of_the_newest_version(
    tmp_path: Path, log: ChangeLog, capsys: pytest.CaptureFixture[str]
) -> None:
    assert changed(tmp_path, "add", "candidate_id,eur,colour,title\na,2.5,red,A\nb,,,B\n") == 0
    assert capsys.readouterr().out == f"add: 2 candidates of version {log.version}\n"
    assert changed(tmp_path, "update", "candidate_id,eur\na,3\n") == 0
    assert changed(tmp_path, "remove", "candidate_id,eur\nb,1\n") == 0
    assert log.read().changes == [
        Change("a", {"candidate_id": "a", "cost": 2.5}, {"colour": "red"}),
        Change("b", {"candidate_id": "b"}, {"colour": None}),
        Change("a", {"candidate_id": "a", "cost": 3.0}),
        Change("b", None),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("candidate_id,eur\na,1\nb,dear\n", "rows.csv: row 2: could not convert string to float"),
        ("candidate_id,eur\na,1\n,2\n", "rows.csv: row 2: a row has no candidate_id"),
        ("eur\n1\n", "row 1: a row has no candidate_id"),
        ("candidate_id\n", "rows.csv has no row"),
    ],
)
def test_a_file_with_a_wrong_row_changes_nothing(
    tmp_path: Path, log: ChangeLog, capsys: pytest.CaptureFixture[str], text: str, problem: str
) -> None:
    assert changed(tmp_path, "add", text) == 2
    assert problem in capsys.readouterr().err
    assert not log.file.exists()


def test_a_log_whose_changes_went_on_takes_no_more(
    tmp_path: Path, log: ChangeLog, capsys: pytest.CaptureFixture[str]
) -> None:
    assert changed(tmp_path, "remove", "candidate_id\na\n") == 0
    log.seal(log.version + 1)
    assert changed(tmp_path, "remove", "candidate_id\nb\n") == 3
    assert "new versions are published faster than candidates can be changed" in capsys.readouterr().err
    assert log.read().changes == [Change("a", None)]


def test_a_log_of_another_model_is_refused(tmp_path: Path, log: ChangeLog, capsys: pytest.CaptureFixture[str]) -> None:
    ChangeLog(log.file.parent, log.version, {"towers": "other"}).append([Change("a", None)])
    before = log.file.read_bytes()
    assert changed(tmp_path, "remove", "candidate_id\nb\n") == 3
    assert "were made for another model than version" in capsys.readouterr().err
    assert log.file.read_bytes() == before
