"""Tables keep all of their text, in columns, without anything that a terminal would obey."""

import pytest

from dataplane.text_tables import text_table


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    rows = [
        ["step", "seconds", "notes"],
        ["Trainer", "12.0", ""],
        ["RefreshEmbeddingExporter", "1,000.5", "[bold]x[/]"],
    ]
    assert text_table(rows, right=[1]) == [
        "step                      seconds  notes",
        "Trainer                      12.0",
        "RefreshEmbeddingExporter  1,000.5  [bold]x[/]",
    ]


@pytest.mark.parametrize("variable", ["COLUMNS", "FORCE_COLOR"])
def test_neither_terminal_nor_environment_changes_a_table(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "20")
    monkeypatch.setenv("TERM", "xterm-256color")
    long = "/a/path/" + "x y" * 4000
    assert text_table([["7", long], ["12", "https://a.b/c 1.5 'text'"]], right=[0]) == [
        f" 7  {long}",
        "12  https://a.b/c 1.5 'text'",
    ]


def test_wide_characters_take_two_places_and_lines_of_a_cell_stay_in_their_column() -> None:
    assert text_table([["日本", "a"], ["b", "c\nd"]]) == ["日本  a", "b     c", "      d"]


def test_a_table_can_stand_below_a_title() -> None:
    assert text_table([["a", "b"], ["", "c"]], indent=2) == ["  a  b", "     c"]


def test_no_rows_make_no_lines() -> None:
    assert text_table([]) == []
