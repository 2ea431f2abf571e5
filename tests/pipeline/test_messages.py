import logging
from pathlib import Path

import pytest

from pipeline.messages import TerminalFormatter, laid_out

COMMAND = "python -m pipeline run a/rather/long/path/to/mine.yaml --root /another/rather/long/path"


def test_lines_break_between_words_and_commands_stay_whole() -> None:
    text = f"error: refused: {'word ' * 20}\nFinished work is kept; continue with: {COMMAND}"
    lines = laid_out(text, 60)
    assert lines[-2:] == ["Finished work is kept; continue with:", f"  {COMMAND}"]
    assert all(len(line) <= 60 for line in lines[:-1])
    assert " ".join(" ".join(lines).split()) == " ".join(text.split()), "nothing is lost"


def test_lines_that_fit_stay_as_they_are() -> None:
    table = "error: refused\n  Test       two-tower  popularity\n  recall@10     0.1000      0.2000"
    assert laid_out(table, 60) == table.split("\n")


def test_a_path_below_the_working_directory_is_shorter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path)
    told = f"not published: the evaluation did not bless the model; see {tmp_path}/runs/toy/blessing.json"
    assert laid_out(told, 60)[-1] == "  runs/toy/blessing.json"
    assert laid_out(told, 300) == [told], "a line that fits is whole"
    others = (f"{tmp_path}elsewhere/a", f"/other{tmp_path}/a")
    assert set(others) <= set(" ".join(laid_out(" ".join([told, *others]), 60)).split())
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert str(tmp_path / "runs" / "toy" / "blessing.json") in " ".join(laid_out(told, 60))


def test_lines_of_a_log_break_between_words_and_have_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    text = "toy-scann: loading version 1795983761 from s3://key:secret@store/models"
    record = logging.makeLogRecord({"msg": text})
    assert TerminalFormatter("%(message)s").format(record).split("\n") == [
        "toy-scann: loading version 1795983761 from",
        "  s3://***@store/models",
    ]
