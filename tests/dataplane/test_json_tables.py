"""JSON documents as tables for people."""

from typing import Any

import pytest

from dataplane.json_tables import json_tables


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.12182067451013966, "0.1218"),
        (1.0, "1"),
        (29.23546, "29.24"),
        (0.000012345, "1.234e-05"),
        (535829.47, "535829"),
        (3e20, "3e+20"),
        (1795946430, "1795946430"),
        (True, "yes"),
        (None, "–"),
        ({}, "–"),
        ([], "–"),
        ("", ""),
        ("a\nb\x1b[31m", r"a\nb\x1b[31m"),
        ([0.1, 0.25], "0.1000 … 0.2500"),
        ([0.25, 0.1], "0.2500, 0.1000"),
        (list(range(12)), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … and 2 more"),
        ([[1], [2]], "2 values"),
    ],
)
def test_values_are_rounded_and_shortened(value: Any, told: str) -> None:
    assert json_tables({"other": 1, "key": value})[-1].strip().removeprefix("key").strip() == told


def test_keys_cannot_steer_the_terminal() -> None:
    slices = {"a\x1b[31m": {"queries": 1}, "b\n": {"queries": 2}}
    assert json_tables({"slices": slices}) == [
        "slices",
        "             queries",
        r"  a\x1b[31m        1",
        r"  b\n              2",
    ]


def test_each_mapping_is_a_table_below_its_key() -> None:
    assert json_tables({"split": {"method": "time", "at": {"day": 3}}, "seed": 42}) == [
        "seed  42",
        "",
        "split",
        "  method  time",
        "",
        "split.at",
        "  day  3",
    ]


def test_metrics_have_a_column_for_each_cut_off() -> None:
    assert json_tables({"recall@1": 0.1, "ndcg@1": 0.1, "recall@10": 0.5}) == [
        "            @1     @10",
        "recall  0.1000  0.5000",
        "ndcg    0.1000",
    ]


def test_mappings_that_are_alike_are_rows() -> None:
    slices = {"nl": {"queries": 3, "ndcg@10": 0.25, "ndcg@1": 0.125}, "be": {"queries": 12, "ndcg@10": 0.5}}
    assert json_tables({"note": "x", **slices}) == [
        "note  x",
        "",
        "    queries  ndcg@10",
        "nl        3   0.2500",
        "be       12   0.5000",
        "not shown: @1",
    ]


def test_mappings_that_are_not_alike_are_tables_of_their_own() -> None:
    assert json_tables({"a": {"x": 1, "y": 2, "z": 3}, "b": {"x": 1, "v": 2, "w": 3}}).count("") == 1


def test_long_lists_of_records_are_cut() -> None:
    lines = json_tables({"curve": [{"step": step, "inner": {}, "loss": [{}]} for step in range(100)]})
    assert lines[:3] == ["curve", "  step  inner", "     0      –"]
    assert lines[-2:] == ["  … and 80 more rows", "  not shown: loss"]
    assert len(lines) == 24


def test_a_wide_table_continues_below_with_its_first_column() -> None:
    rows = {name: {"type": "text", "seen": 1, "rate": 2, name: "x" * 100} for name in ("first", "second")}
    cut = "x" * 83 + "…"
    assert json_tables(rows) == [
        "        type  seen  rate",
        "first   text     1     2",
        "second  text     1     2",
        "",
        "       first",
        f"first  {cut}",
        "",
        "        second",
        f"second  {cut}",
    ]


def test_tables_keep_to_a_width() -> None:
    records = [{f"column {number}": "x" * number for number in range(12)}] * 2
    content = {
        "note": "word " * 40,
        "curve": records,
        "part": {"ids": list(range(10**9, 10**9 + 9))},
        "c" * 90: {"a": 1},
    }
    lines = json_tables({**content, "odd": [{"a": 1, "left out for its lists": [[]]}, {"b": [[]]}]}, 60)
    assert max(map(len, lines)) <= 60
    assert "not shown: left out for its lists" in " ".join(" ".join(lines).split())
    assert sum(line.startswith("  column 0") for line in lines) > 1, "the table of records continues"
