"""Drafts say what in a file no row can use: columns without a name, broken rows, quotes that do not enclose a field."""

import pytest

from dataplane.errors import ConfigError
from pipeline.drafting.infer import infer_draft
from tests.pipeline.drafting.drafts import START

ROWS = [f"u{n * 7 % 60},p{n * 11 % 41},{START + n * 100}" for n in range(800)]
QUOTED = [f'"u{n * 7 % 60}","p{n * 11 % 41}",{START + n * 100}' for n in range(800)]
UNCLOSED = f'u1,"p4,{START}'


def written(tmp_path, rows, header="user,item,ts"):
    path = tmp_path / "events.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("line", [40, 400])
def test_a_quote_that_does_not_close_is_named_by_its_line(tmp_path, drafted, line):
    path = written(tmp_path, [*ROWS[: line - 2], UNCLOSED, *ROWS[line - 2 :]])
    document, text = drafted(path)
    assert document["data"]["interactions"]["quote"] is None
    assert f"# check: quotes are ordinary characters here; 1 field begins with one, in line {line}: '\"p4'" in text
    assert "correct that line and remove `quote: null`" in text


@pytest.mark.parametrize("line", [40, 400])
def test_a_quote_that_does_not_close_among_quoted_fields_is_refused_by_its_line(tmp_path, line):
    path = written(tmp_path, [*QUOTED[: line - 2], UNCLOSED, *QUOTED[line - 2 :]])
    with pytest.raises(ConfigError, match=rf"events\.csv, line {line}: a field begins with a quote"):
        infer_draft([str(path)])


def test_single_quotes_around_fields_are_not_taken_for_ordinary_characters(tmp_path):
    rows = [row.replace('"', "'") for row in (*QUOTED[:400], UNCLOSED, *QUOTED[400:])]
    with pytest.raises(ConfigError, match=r"events\.csv, line 402: a field begins with a quote"):
        infer_draft([str(written(tmp_path, rows))])


def test_several_quotes_are_counted(tmp_path, drafted):
    rows = [f"{row},{chr(34) * (n % 9 == 0)}Big{chr(34) * (n % 9 == 0)} Al {n % 5}" for n, row in enumerate(ROWS)]
    _, text = drafted(written(tmp_path, rows, "user,item,ts,shop"))
    assert "89 fields begin with one, the first in line 2: '\"Big\" Al 0'. If they are mistakes" in text


def test_quotes_that_enclose_fields_need_no_remark(tmp_path, drafted):
    assert "quotes are" not in drafted(written(tmp_path, QUOTED))[1]


def test_rows_with_another_number_of_fields_are_counted(tmp_path, drafted):
    _, text = drafted(written(tmp_path, [*ROWS, "x;y"]))
    assert "# 1 of 801 sampled rows has 1 field instead of 3; row 801: 'x;y'" in text
    _, text = drafted(written(tmp_path, ["u1,p1", *ROWS, "u2,p2"]))
    assert "# 2 of 802 sampled rows have 2 fields instead of 3; the first is row 1: 'u1,p1'" in text


@pytest.mark.parametrize(
    ("header", "rest", "remark"),
    [
        ("user,item,ts,,,,", ",,,,", "# 4 columns without a name are not used"),
        ("user,item,ts,", ",7", "# 1 column without a name is not used"),
    ],
)
def test_columns_without_a_name_are_counted(tmp_path, drafted, header, rest, remark):
    assert remark in drafted(written(tmp_path, [row + rest for row in ROWS], header))[1]


def test_a_delimiter_at_the_end_of_rows_is_no_column(tmp_path, drafted):
    assert "without a name" not in drafted(written(tmp_path, [f"{row}," for row in ROWS]))[1]
