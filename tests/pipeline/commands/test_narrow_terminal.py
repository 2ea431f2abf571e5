"""What commands print keeps to the width of a terminal, and is whole in a pipe."""

import sys
from pathlib import Path

import pytest

from pipeline.cli import main
from tests.pipeline.reporting.small_run import Runs

_WIDTH = 50
_IDS = ("20261129T193854.590350Z-bf49", "20261129T194950.055020Z-4e0e")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with two runs, the second of which was refused for a long reason."""
    runs = Runs(tmp_path_factory.mktemp("narrow") / "runs")
    params = {"Trainer": {"note": "many words of a parameter " * 4, "digest": "f" * 64}}
    runs.add(_IDS[0], settings={"seed": 1})
    runs.add(_IDS[1], params=params, state="refused", message="worse than before: " + "and so on, " * 20)
    return runs.root


def printed(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> list[str]:
    capsys.readouterr()
    assert main([*words, "--root", str(root)]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("show", "toy/Trainer"),
        ("show", "toy/Evaluator/evaluation"),
        ("explain", "Trainer"),
        ("lineage", "toy/ExampleGen"),
    ],
    ids=" ".join,
)
def test_no_line_is_wider_than_the_terminal(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    whole = printed(capsys, root, *words)
    monkeypatch.setenv("COLUMNS", str(_WIDTH))
    assert printed(capsys, root, *words) == whole, "a pipe has no width"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    narrow = printed(capsys, root, *words)
    assert max(map(len, narrow)) <= _WIDTH < max(map(len, whole))


def test_a_comparison_keeps_to_the_width(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(_WIDTH))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    lines = printed(capsys, root, "compare", *_IDS)
    assert max(map(len, lines[:-1])) <= _WIDTH
    assert lines[-1].split()[-1] == str(root / "toy" / "runs" / "compare.html"), "a path can be copied whole"
