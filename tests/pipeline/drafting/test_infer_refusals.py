"""Files and directories from which nothing can be drafted are refused with the reason."""

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataplane.errors import ConfigError
from pipeline.drafting.infer import infer_draft
from tests.e2e.conftest import cli
from tests.pipeline.drafting.drafts import ROWS, draft_config, titles, what, who


def refusal(*paths):
    with pytest.raises(ConfigError) as error:
        infer_draft([str(path) for path in paths])
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "rows", "header", "message"),
    [
        ("movies.csv", titles(), "movieId,title,genres", "movies.csv (movieId, title, genres): every row has its own"),
        ("movies.txt", titles(), "", "every row has its own column1"),
        ("people.csv", [(n, ("Oslo", "Rome")[n % 2]) for n in range(30)], "id,city", "every row has its own id"),
        ("baskets.csv", [(n, " ".join(str(what()) for _ in range(4))) for n in range(90)], "user_id,items",
         "items holds several ids per row"),
        ("behaviors.tsv", [(n, f"U{n % 30}", f"11/{1 + n % 28}/2019 9:05:58 AM", "N1 N2 N3", f"N{n}-0 N{n + 1}-1 N7-0")
                           for n in range(90)], "", "column5 holds several ids per row"),
    ],
)  # fmt: skip
def test_a_table_without_interactions_is_refused(write, name, rows, header, message):
    path = write(name, rows, header, "\t" if name.endswith("tsv") else ",")
    assert message in refusal(path)
    result = cli("init", path)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


ITEMS = [(n, f"The story of number {n}", n % 2) for n in range(1, 801)]


@pytest.mark.parametrize(
    ("name", "rows", "header", "message"),
    [
        # ages are all among the ids of items, and zip codes hardly repeat
        ("u.user", [(n, 7 + n * 13 % 66, "MF"[n % 2], 10_000 + n * 37 % 270) for n in range(300)], "",
         "every row has its own column1"),
        ("people.csv", [(7 + n * 13 % 66, "MF"[n % 2], 10_000 + n * 37 % 270) for n in range(300)], "",
         "no two columns could be the ids"),
        ("books.csv", [(n, f"The book {n}", f"Author {n % 40}", n * 7 % 90) for n in range(300)],
         "id,title,author,shelf", "every row has its own id"),
    ],
)  # fmt: skip
def test_a_table_of_things_beside_a_table_of_items_is_refused(write, name, rows, header, message):
    paths = write("u.item", ITEMS, delimiter="|"), write(name, rows, header)
    found = refusal(*paths)
    assert message in found
    assert "give its columns such names in its first line" in found


def test_few_of_many_dense_ids_are_ids_if_they_are_spread(write):
    write("u.item", ITEMS, delimiter="|")
    events = write("events.csv", [(who(), 1 + n * 41 % 40 * 20) for n in range(ROWS)])
    assert "took column2 as candidate_id: 100% of its values are column1 of u.item" in draft_config(
        [str(events.parent)]
    )


def test_fractional_ids_are_refused_and_not_replaced_by_another_column(tmp_path):
    table = {"CustomerID": [who() + 0.5 for _ in range(ROWS)], "product_id": [what() for _ in range(ROWS)]}
    pq.write_table(pa.table(table | {"qty": [1, 2] * (ROWS // 2)}), tmp_path / "events.parquet")
    assert "CustomerID holds float64" in refusal(tmp_path / "events.parquet")


def test_broken_binary_rows_give_no_traceback(tmp_path):
    (tmp_path / "events.csv").write_bytes(b"user,item\n" + b"1,2\n" * 70_000 + b"1,\xdc,3\n")
    result = subprocess.run(
        [sys.executable, "-m", "pipeline", "init", tmp_path], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert "events.csv is not utf-8 text" in result.stderr


def test_directories_without_data_are_refused_with_their_content(tmp_path, write):
    assert "it is empty" in refusal(tmp_path)
    (tmp_path / "README.md").write_text("nothing")
    assert "it has README.md" in refusal(tmp_path)
    (tmp_path / "model.bin").write_bytes(bytes(range(256)) * 9)
    assert "model.bin is neither text nor Parquet" in refusal(tmp_path)
    assert "model.bin is neither text nor Parquet" in refusal(tmp_path / "model.bin")
    write("notes.txt", [("only one",), ("column of words",)])
    assert "notes.txt" in refusal(tmp_path)
