"""Tables keep all of their text, in columns, without anything that a terminal would obey."""

import pytest
from rich.cells import cell_len

from dataplane.text_tables import shortened_middle, text_table


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


def test_columns_without_room_continue_below_and_cells_break_between_words() -> None:
    rows = [
        ["20261129T193854.590350Z-bf49", "done", "9 s", "a reason of some words, which is long " * 2],
        ["20261129T193854.590350Z-4e0e", "refused", "629 s", ""],
    ]
    assert text_table(rows, right=[2], indent=2, width=50) == [
        "  20261129T193854.590350Z-bf49  done       9 s",
        "      a reason of some words, which is long a",
        "      reason of some words, which is long",
        "  20261129T193854.590350Z-4e0e  refused  629 s",
    ]
    assert text_table(rows, right=[2], indent=2, width=200) == text_table(rows, right=[2], indent=2)


def test_the_last_column_of_a_wide_table_takes_the_room_that_is_left() -> None:
    rows = [["Transform", "quickstart/Transform/20261129T194956.350980Z-4777/graph, and/more"], ["Trainer", ""]]
    assert text_table(rows, width=60) == [
        "Transform  quickstart/Transform/202…4956.350980Z-4777/graph,",
        "           and/more",
        "Trainer",
    ]


@pytest.mark.parametrize("width", [20, 50, 79])
def test_no_line_is_wider_than_asked_for(width: int) -> None:
    rows = [["日本" * 40, "x y", "/a/path" * 30], ["", "1", "b\u2028c\nd"], ["", "", ""]]
    lines = text_table(rows, right=[1], width=width)
    assert max(map(cell_len, lines)) <= width


def test_a_long_text_loses_its_middle() -> None:
    assert shortened_middle("runs/quickstart/Transform", 11) == "runs/…sform"
    assert shortened_middle("日本日本日本", 8) == "日本…本"
    assert shortened_middle("fits", 4) == "fits"
