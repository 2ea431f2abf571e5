"""Tables of the page on benchmarks are those of the result files."""

import json
from pathlib import Path

import pytest

from tests.paths import PROJECT
from tools.docs.benchmarks import fill_tables, read_tables

RESULTS = PROJECT / "docs/benchmark_results"
PAGE = (PROJECT / "docs/benchmarks.md").read_text(encoding="utf-8")
TABLE = """
- name: speed
  file: speed.json
  command: python -m benchmarks.speed --json speed.json
  date: 2026-11-01
  machine: one core
  rows: who
  names: {ours: "**ours**"}
  where: {k: 10}
  columns:
    - {title: singly, field: qps, where: {batch: 1}, format: ",.0f"}
    - {title: in batches, field: qps, where: {batch: 64}, format: ",.0f"}
"""


def test_the_page_has_the_tables_of_the_results() -> None:
    assert fill_tables(PAGE, RESULTS) == PAGE, "run `make docs.generate`"


@pytest.mark.parametrize("table", read_tables(RESULTS), ids=lambda table: table.name)
def test_every_table_is_shown_with_its_day_and_command(table) -> None:
    assert PAGE.count(f"<!-- table: {table.name} -->") == 1
    assert f"{table.date:%d %B %Y}, {table.machine}: `{table.command}`" in PAGE


def test_every_result_is_in_a_table() -> None:
    assert {path.name for path in RESULTS.glob("*.json")} == {table.file for table in read_tables(RESULTS)}


def test_rows_of_one_name_share_a_line_and_others_are_left_out(tmp_path: Path) -> None:
    rows = [
        {"who": "ours", "k": 10, "batch": 1, "qps": 2000.4},
        {"who": "ours", "k": 10, "batch": 64, "qps": 5000},
        {"who": "ours", "k": 100, "batch": 1, "qps": 1},
        {"who": "theirs", "k": 10, "batch": 64, "qps": 300},
    ]
    (tmp_path / "speed.json").write_text(json.dumps({"goals": [], "rows": rows}), encoding="utf-8")
    (tmp_path / "results.yaml").write_text(TABLE, encoding="utf-8")
    page = fill_tables("before\n<!-- table: speed -->\nold\n<!-- end -->\nafter\n", tmp_path)
    assert page.splitlines() == [
        "before",
        "<!-- table: speed -->",
        "| | singly | in batches |",
        "|---|---:|---:|",
        "| **ours** | 2,000 | 5,000 |",
        "| theirs |  | 300 |",
        "",
        "*01 November 2026, one core: `python -m benchmarks.speed --json speed.json`*",
        "<!-- end -->",
        "after",
    ]
