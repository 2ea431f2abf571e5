"""`compare` finds the runs, prints their comparison and writes the page."""

import webbrowser
from pathlib import Path

import pytest

from pipeline.cli import main
from tests.pipeline.reporting.small_run import Runs


@pytest.fixture
def root(tmp_path: Path) -> Path:
    runs = Runs(tmp_path)
    for name in ("r1", "r2"):
        runs.add(name, wrote={}, state="failed", message="no", ended_by="ExampleGen")
    return tmp_path


def compare(root: Path, *arguments: str) -> int:
    return main(["compare", *arguments, "--root", str(root)])


def test_the_comparison_is_printed_and_its_page_written(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(root, "r2", "r1") == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[1].split()[:3] == ["A", "toy", "r2"]
    file = root / "toy" / "runs" / "compare.html"
    assert printed[-1] == f"Page  {file}"
    assert "Comparison of 2 runs" in file.read_text()


def test_runs_of_several_pipelines_are_compared_into_a_file(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "toy").rename(root / "first")
    Runs(root).add("r3", wrote={}, state="failed", message="no", ended_by="ExampleGen")
    file = root / "page.html"
    assert compare(root, "r1", "r3", "--output", str(file)) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[1:3]] == ["first", "toy"]
    assert file.exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["r1", "r9"], "no run 'r9'"),
        (["r1"], "compare takes 2 to 8 different runs, not 1"),
        (["r1", "r1"], "compare takes 2 to 8 different runs, not 1"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert compare(root, *arguments) == 2
    assert told in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_an_error(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "page").mkdir()
    assert compare(root, "r1", "r2", "-o", str(root / "page")) == 3
    assert "page cannot be written" in capsys.readouterr().err


def test_open_shows_the_page(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    assert compare(root, "r1", "r2", "--open") == 0
    assert opened == [(root / "toy" / "runs" / "compare.html").as_uri()]
