import json
from pathlib import Path

import pytest

from benchmarks.harness.report import Goal, Record, finish


class Row(Record):
    name: str
    count: int | None = None
    share: float | None = None


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal.at_most("low", 2.0, 2.0), True),
        (Goal.at_most("low", 2.1, 2.0), False),
        (Goal.at_least("high", 2.0, 2.0), True),
        (Goal.at_least("high", 1.9, 2.0), False),
    ],
)
def test_goals_decide_the_exit_code_and_are_written(tmp_path: Path, goal: Goal, met: bool) -> None:
    file = tmp_path / "report.json"
    assert finish(file, rows=[], goals=[Goal.at_most("fine", 0.0, 1.0), goal]) == int(not met)
    written = json.loads(file.read_text())["goals"]
    assert written[1] == {"goal": goal.goal, "value": goal.value, "met": met}


def test_a_row_is_written_without_what_it_does_not_have(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    finish(file, rows=[Row(name="a", count=3), Row(name="b", share=0.5)], goals=[])
    assert json.loads(file.read_text())["rows"] == [{"name": "a", "count": 3}, {"name": "b", "share": 0.5}]


def test_rows_are_printed_below_the_names_of_their_fields(capsys: pytest.CaptureFixture[str]) -> None:
    long = "a name that is longer than a terminal of eighty characters is wide, which must not be wrapped"
    finish(None, rows=[Row(name="a", count=12345), Row(name=long, share=0.123456)], goals=[])
    header, first, second = (line.rstrip() for line in capsys.readouterr().out.splitlines()[:3])
    assert header.split() == ["name", "count", "share"]
    assert first.split() == ["a", "12,345"]
    assert second.split() == [*long.split(), "0.1235"]


def test_each_kind_of_row_has_a_table_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    class Other(Record):
        size: int

    finish(None, rows=[Row(name="a"), Row(name="b"), Other(size=2)], goals=[])
    assert capsys.readouterr().out.split() == ["name", "a", "b", "size", "2"]


def test_without_a_file_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert finish(None, rows=[Row(name="a")], goals=[]) == 0
    assert not list(tmp_path.iterdir())
