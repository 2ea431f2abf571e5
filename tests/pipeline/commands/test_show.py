"""`show` prints an artifact for people, and in full as JSON."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.execution.metadata import Store
from tests.pipeline.reporting.small_run import MEANS, Runs


@pytest.fixture
def root(tmp_path: Path) -> Path:
    Runs(tmp_path).add("r1", params={"Evaluator": {"seed": 42, "evaluation": {"at": [1, 10]}}})
    return tmp_path


def show(root: Path, *arguments: str) -> int:
    return main(["show", *arguments, "--root", str(root)])


def test_documents_are_tables_with_rounded_numbers(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show(root, "toy/Evaluator/evaluation") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Evaluator e-r1, 1.5 s, run r1"
    assert "input        examples = toy/ExampleGen/e-r1/examples" in lines
    assert lines[lines.index("params.evaluation") + 1] == "  at  1, 10"
    place = lines.index("metrics.json")
    test = lines.index("  test", place)
    assert lines[test + 1 : test + 3] == ["                @1     @10", "    recall  0.1000  0.5000"]


def test_the_first_line_says_what_the_step_took(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(root, "toy")
    made = store.latest("Evaluator")
    assert made is not None
    store.commit(replace(made, resources={"cpu_seconds": 2.5, "peak_memory_bytes": 3 << 30}))
    show(root, "toy/Evaluator")
    line = capsys.readouterr().out.splitlines()[0]
    used = "2.5 CPU-seconds, at most 3,072 MiB of memory, 0.0 MiB written"
    assert line == f"Evaluator e-r1, 1.5 s ({used}), run r1"


def test_json_has_the_record_and_the_documents_in_full(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show(root, "toy/Evaluator", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["execution"]["params"]["seed"] == 42
    assert list(shown["outputs"]) == ["evaluation", "blessing"]
    evaluation = shown["outputs"]["evaluation"]
    assert evaluation["directory"] == str(root / "toy" / "Evaluator" / "e-r1" / "evaluation")
    assert evaluation["documents"]["metrics.json"]["test"] == MEANS
    assert evaluation["files"]["metrics.json"] > 0


def test_a_damaged_document_is_printed_as_it_is(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "toy" / "Evaluator" / "e-r1" / "blessing" / "blessing.json").write_bytes(b'{"blessed": \xff')
    assert show(root, "toy/Evaluator/blessing") == 0
    told = capsys.readouterr()
    assert told.out.endswith('blessing.json\n  {"blessed": \ufffd\n')
    assert "is damaged" in told.err
    assert show(root, "toy/Evaluator/blessing", "--json") == 0
    assert json.loads(capsys.readouterr().out)["outputs"]["blessing"]["documents"] == {
        "blessing.json": '{"blessed": \ufffd'
    }
