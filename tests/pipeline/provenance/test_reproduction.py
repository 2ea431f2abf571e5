"""`reproduce` repeats recorded steps elsewhere, says first what is not as it was, and names what came out otherwise."""

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.config.config import load_config
from pipeline.create_pipeline import create_pipeline
from pipeline.execution.metadata import Store
from pipeline.execution.session import open_session

STEPS = ["ExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator"]


@dataclass(frozen=True)
class Made:
    """The data steps of a pipeline, run once on a CSV file."""

    directory: Path

    @property
    def root(self) -> Path:
        return self.directory / "root"

    @property
    def store(self) -> Store:
        return Store(self.root, "tiny")

    @property
    def run(self) -> str:
        return self.store.runs()[-1].id

    def manifest(self, node: str) -> Path:
        return self.store.execution_directory(node, self.store.executions(node)[-1].id) / "manifest.json"

    def rewrite(self, node: str, change: Callable[[dict[str, Any]], object]) -> None:
        record = json.loads(self.manifest(node).read_text())
        change(record)
        self.manifest(node).write_text(json.dumps(record))

    def reproduce(self, *options: str) -> int:
        into = self.directory / "again"
        return main(["reproduce", self.run, "--root", str(self.root), "--into", str(into), *options])


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("original")
    (directory / "data").mkdir()
    rows = [f"u{n % 7},i{n % 5},{n}\n" for n in range(99)]
    (directory / "data" / "events.csv").write_text("user,item,time\n" + "".join(rows))
    file = directory / "tiny.yaml"
    columns = "{query_id: user, candidate_id: item, timestamp: time}"
    file.write_text(
        "schema_version: 1\nname: tiny\n"
        f"data: {{interactions: {{format: csv, path: data/events.csv, columns: {columns}}}}}\n"
    )
    config = load_config(file)
    with open_session(config, file=file, root=directory / "root", again="") as session:
        session.execute(create_pipeline(config, directory / "root").until("ExampleValidator"))
    return directory


@pytest.fixture
def made(original: Path, tmp_path: Path) -> Made:
    """A copy that a test may change; its record still names the place of the original."""
    for name in ("root", "data"):
        shutil.copytree(original / name, tmp_path / name)
    return Made(tmp_path)


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """Takes away the log that the command opens."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers, logging.root.level = handlers, level
    logging.captureWarnings(False)


Output = pytest.CaptureFixture[str]


def test_an_unchanged_run_comes_out_equal(made: Made, capsys: Output) -> None:
    assert made.reproduce() == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"sources, code and libraries are those of run {made.run}"
    assert [line.split()[:2] for line in told[1:5]] == [[step, "equal:"] for step in STEPS]
    assert told[5] == "equal: all 4 steps came out as recorded"
    again = Store(made.directory / "again", "tiny").executions("StatisticsGen")[0]
    assert again.digests == made.store.executions("StatisticsGen")[0].digests


def test_a_temporary_root_is_removed_if_all_is_equal_and_kept_if_not(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    arguments = ["reproduce", made.run, "--root", str(made.root), "--from", "SchemaGen"]
    assert main(arguments) == 0
    assert list((tmp_path / "temporary").glob("reproduce-*")) == []
    made.rewrite("SchemaGen", lambda record: record["digests"].update({"schema/schema.pbtxt": "0" * 32}))
    (made.manifest("SchemaGen").parent / "schema" / "schema.pbtxt").write_text("feature {}")
    assert main(arguments) == 3
    (kept,) = (tmp_path / "temporary").glob("reproduce-*")
    assert f"The repetition is in {kept}" in capsys.readouterr().err


def test_changed_sources_are_named_first_and_then_the_step_that_differs(made: Made, capsys: Output) -> None:
    with (made.directory / "data" / "events.csv").open("a") as stream:
        stream.write("u1,i1,100\n")
    assert made.reproduce("--base-dir", str(made.directory)) == 3
    told, error = capsys.readouterr()
    assert told.startswith(f"not as in run {made.run}:\n  source  interactions/data/events.csv  changed\n")
    assert "error: ExampleGen is the first step that differs:\n  examples/" in error
    assert [line.split(maxsplit=1)[1] for line in told.splitlines() if "not repeated" in line] == ["not repeated"] * 3


def test_sources_that_are_gone_are_told_before_anything_is_done(made: Made, capsys: Output) -> None:
    (made.directory / "data" / "events.csv").unlink()
    assert made.reproduce("--base-dir", str(made.directory)) == 3
    told = capsys.readouterr().err
    assert "the sources of ExampleGen are gone: file" in told
    assert "--from StatisticsGen" in told
    assert not (made.directory / "again").exists()
    assert made.reproduce("--base-dir", str(made.directory), "--from", "StatisticsGen") == 0
    assert "equal: all 3 steps" in capsys.readouterr().out


def test_code_and_libraries_that_differ_are_told_first(made: Made, capsys: Output) -> None:
    def earlier(record: dict[str, Any]) -> None:
        record["code"]["dataplane/statistics/anomalies.py"] = "0" * 32
        record["libraries"].update(numpy="1.0", python="3.8.0")

    made.rewrite("ExampleValidator", earlier)
    assert made.reproduce("--from", "SchemaGen") == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"not as in run {made.run}:"
    assert [line.split()[:2] for line in told[1:4]] == [
        ["code", "dataplane/statistics/anomalies.py"], ["python", "python"], ["library", "numpy"],
    ]  # fmt: skip


def test_a_run_of_an_older_release_is_repeated_after_saying_that_its_code_differs(made: Made, capsys: Output) -> None:
    for node in STEPS:
        made.rewrite(node, lambda record: [record.pop(key) for key in ("code", "external", "digests")])
    file = made.store.directory / "runs" / f"{made.run}.json"
    record = json.loads(file.read_text())
    del record["base_dir"], record["settings"]
    file.write_text(json.dumps(record))
    assert made.reproduce() == 0
    told = capsys.readouterr().out
    assert told.startswith(f"the code differs: an older release made {', '.join(STEPS)};")
    assert "equal: all 4 steps" in told


@pytest.mark.parametrize(("options", "repeated"), [((), 1), (("--keep-going",), 3)])
def test_the_first_step_that_differs_ends_the_repetition(
    made: Made, capsys: Output, options: tuple[str, ...], repeated: int
) -> None:
    made.rewrite("StatisticsGen", lambda record: record["digests"].update({"statistics/statistics.pb": "0" * 32}))
    assert made.reproduce("--from", "StatisticsGen", *options) == 3
    told, error = capsys.readouterr()
    assert "StatisticsGen is the first step that differs:\n  statistics/statistics.pb has another digest" in error
    assert 3 - told.count("not repeated") == repeated


def test_a_step_that_fails_is_told_with_the_place_of_the_repetition(
    made: Made, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    from components.schema_gen import SchemaGen
    from dataplane.errors import DataError

    def fail(*_: Any) -> None:
        raise DataError("nothing to infer from")

    monkeypatch.setattr(SchemaGen, "_write", fail)
    assert made.reproduce("--from", "SchemaGen") == 3
    assert f"nothing to infer from\nThe repetition is in {made.directory / 'again'}" in capsys.readouterr().err


def test_parameters_of_another_release_are_refused(made: Made, capsys: Output) -> None:
    made.rewrite("SchemaGen", lambda record: record["params"].update(invented=1))
    assert made.reproduce() == 3
    told = capsys.readouterr().err
    assert "does not understand the parameters of SchemaGen/" in told
    assert "invented" in told


def test_a_missing_record_is_told(made: Made, capsys: Output) -> None:
    made.manifest("SchemaGen").unlink()
    assert made.reproduce() == 3
    assert "the record of SchemaGen/" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["20200101", "--root", "ROOT"], "no run '20200101' in "),
        (["RUN", "--root", "ROOT", "--from", "Trainer"], "has no such finished step; it has ExampleGen, StatisticsGen"),
        (["RUN", "--root", "ROOT", "--into", "ROOT"], "--into: the repetition needs a root of its own"),
    ],
)
def test_wrong_arguments_are_refused(made: Made, capsys: Output, arguments: list[str], told: str) -> None:
    words = [word.replace("ROOT", str(made.root)).replace("RUN", made.run) for word in arguments]
    assert main(["reproduce", *words]) == 2
    assert told in capsys.readouterr().err
