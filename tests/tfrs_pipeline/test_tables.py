"""Tables as text and as HTML."""

import sys
from typing import Any

import pytest

import tfrs_pipeline as tp

ROWS: list[dict[str, Any]] = [{"name": "<b>", "count": 1234, "share": 0.25}, {"name": "b", "share": None, "more": True}]


def test_rows_may_lack_columns() -> None:
    table = tp.Table.of(ROWS)
    assert table.columns == ["name", "count", "share", "more"]
    assert table.to_pylist()[1] == {"name": "b", "count": None, "share": None, "more": True}
    assert len(tp.Table.of([])) == 0


def test_text_has_aligned_columns() -> None:
    lines = repr(tp.Table.of(ROWS)).splitlines()
    assert lines == ["name  count   share  more", "<b>   1,234  0.2500", "b                    True"]


def test_html_escapes_what_users_wrote() -> None:
    shown = tp.Table.of(ROWS)._repr_html_()
    assert '<td style="text-align: left">&lt;b&gt;</td>' in shown
    assert '<td style="text-align: right">1,234</td>' in shown


def test_long_tables_are_shown_in_part() -> None:
    table = tp.Table.of([{"n": n} for n in range(50)])
    assert repr(table).splitlines()[-2:] == ["19", "… 50 rows"]
    assert table._repr_html_().count("<tr>") == 21
    assert len(table) == 50


def test_without_pandas_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(tp.ConfigError, match=r"pip install 'tfrs-pipeline\[notebook\]'"):
        tp.Table.of(ROWS).to_pandas()
