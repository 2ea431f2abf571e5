"""`report` finds the run, writes its page and prints where it is."""

import webbrowser
from pathlib import Path

import pytest

from pipeline.cli import main
from tests.pipeline.reporting.small_run import Runs


@pytest.fixture
def root(tmp_path: Path) -> Path:
    runs = Runs(tmp_path)
    for name in ("r1", "r2"):
        runs.add(name, wrote={}, state="failed", message=f"message of {name}", ended_by="ExampleGen")
    return tmp_path


def report(root: Path, *arguments: str) -> int:
    return main(["report", *arguments, "--root", str(root)])


@pytest.mark.parametrize(("arguments", "run"), [([], "r2"), (["toy"], "r2"), (["toy", "r1"], "r1")])
def test_the_newest_run_or_the_one_named_is_reported(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], run: str
) -> None:
    assert report(root, *arguments) == 0
    file = Path(capsys.readouterr().out.strip())
    assert file == root / "toy" / "runs" / f"{run}.html"
    assert f"message of {run}" in file.read_text()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["other"], "no pipeline 'other'"), (["toy", "r3"], "no run 'r3'; there is r2, r1")],
)
def test_an_unknown_run_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert report(root, *arguments) == 2
    assert told in capsys.readouterr().err


def test_several_pipelines_ask_which(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "second" / "runs").mkdir(parents=True)
    assert report(root) == 2
    assert "which pipeline?" in capsys.readouterr().err
    assert report(root, "second") == 2
    assert "has no run that can be read" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_an_error(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "toy" / "runs" / "r2.html").mkdir()
    assert report(root) == 3
    assert "r2.html cannot be written" in capsys.readouterr().err


def test_open_shows_the_page(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    assert report(root, "--open") == 0
    assert opened == [(root / "toy" / "runs" / "r2.html").as_uri()]
