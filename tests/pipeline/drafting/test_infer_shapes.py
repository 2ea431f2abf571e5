"""Drafts for the shapes of public data sets and exports: which file is which table, and what joins them."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.config.config import load_config
from tests.e2e.conftest import cli
from tests.paths import PROJECT, SHARED
from tests.pipeline.drafting.drafts import ROWS, START, columns_of, titles, what, who

CASES = SHARED / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="the failing inputs are not beside this checkout")


def test_one_invoice_line_per_row(write, drafted):
    write("retail.csv", [
        (536365 + n // 6, f"85{what()}{'A' * (n % 5 == 0)}", f"MUG {n % 30}", n % 9 - 2,
         f"{1 + n // 200}/{1 + n % 28}/2010 8:26",
         n / 4, "" if n % 4 == 0 else f"{12346 + n // 25}.0", ("France", "Norway")[n % 2]) for n in range(ROWS)
    ], "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country")  # fmt: skip
    document, text = drafted()
    assert columns_of(document) == {
        "query_id": "CustomerID", "candidate_id": "StockCode", "timestamp": "InvoiceDate",
    }  # fmt: skip
    assert document["data"]["interactions"]["date_formats"] == {"InvoiceDate": "%m/%d/%Y %H:%M"}
    assert 0.25 < document["data"]["max_bad_fraction"] < 0.5, "a quarter has no customer, which would stop the run"
    assert "CustomerID 25%" in text
    assert document["data"]["interactions"]["whole_number_ids"] is True


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_files_without_any_telling_name(write, drafted, order):
    events = [(who(40, 1), what(30, 1), 1 + n % 5, START + n * 977) for n in range(ROWS)]
    write("a.txt", [[row[place] for place in order] for row in events])
    write("b.txt", titles(first=1))
    document, _ = drafted()
    names = [f"column{order.index(role) + 1}" for role in range(4)]
    assert columns_of(document) == dict(zip(("query_id", "candidate_id", "weight", "timestamp"), names, strict=True))
    assert document["data"]["candidates"]["id"] == "column1"
    assert "queries" not in document["data"], "users are numbered from 1 as movies are, and yet no movies"


def test_a_directory_of_reviews_as_json_lines(tmp_path, drafted):
    reviews = [
        {"reviewerID": f"A{who():04d}", "asin": f"B{what():06d}", "helpful": [0, 1], "reviewText": f"I liked it {n}",
         "overall": 1.0 + n % 5, "unixReviewTime": START + n * 86400, "reviewTime": "09 13, 2009"} for n in range(ROWS)
    ]  # fmt: skip
    meta = [{"asin": f"B{1000 + n:06d}", "title": f"Strings of steel {n}", "price": n / 2} for n in range(30)]
    for name, rows in (("reviews.json", reviews), ("meta.json", meta)):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    document, _ = drafted()
    assert columns_of(document) == {
        "query_id": "reviewerID", "candidate_id": "asin", "timestamp": "unixReviewTime", "weight": "overall",
    }  # fmt: skip
    assert document["data"]["candidates"]["path"] == "meta.json"
    assert set(document["features"]["candidate"]) == {"title", "price"}


def test_ratings_outrank_tags_and_lists_of_links(write, drafted):
    write(
        "ratings.csv",
        [(who(), what(), 0.5 + n % 10 / 2, START + n) for n in range(ROWS)],
        "userId,movieId,rating,timestamp",
    )
    write("tags.csv", [(who(), what(), f"tag{n % 9}", START + n) for n in range(ROWS)], "userId,movieId,tag,timestamp")
    write("movies.csv", titles(), "movieId,title,genres")
    write("links.csv", [(1000 + n, f"0{114709 + n}", 862 + n) for n in range(30)], "movieId,imdbId,tmdbId")
    document, text = drafted()
    assert document["data"]["interactions"]["path"] == "ratings.csv"
    assert document["data"]["candidates"]["path"] == "movies.csv"
    assert document["data"]["candidates"]["list_columns"] == {"genres": "|"}
    assert "queries" not in document["data"]
    assert "not used: tags.csv; it also has userId and movieId, but only one table can be the interactions" in text
    assert "not used: links.csv; it could also describe the candidates, but only one table can" in text
    assert "add them to movies.csv, row by row where movieId is equal" in text
    assert text.count("docs/data.md, Files that the draft does not use") == 2
    assert "## Files that the draft does not use" in (PROJECT / "docs" / "data.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("header", ["", "nr,aufschrift,genres"])
def test_a_column_of_titles_without_a_name_is_shown(write, drafted, header):
    write("events.csv", [(who(), what(), START + n) for n in range(ROWS)])
    write("items.csv", titles(), header)
    document, text = drafted()
    assert document["display"] == (header.split(",")[1] if header else "column2")
    assert "# check: its texts look like titles" in text


def test_values_outrank_a_name_that_means_other_ids(write, drafted):
    write("ratings.csv", [(who(), what(30, 1), 1 + n % 5) for n in range(ROWS)], "user_id,book_id,rating")
    write("books.csv", [(n, 2767052 + n * 917, f"Hunger and games {n}") for n in range(1, 31)], "id,book_id,title")
    assert drafted()[0]["data"]["candidates"]["id"] == "id"


@pytest.mark.parametrize(
    ("here", "there", "message"),
    [
        ("0{}", "{}", "leading zeros"),
        ("SKU-{}", "sku-{}", "upper or lower case"),
        ("{}", "{}  ", "blanks"),
        ("a{}", "b{}", ""),
    ],
)
def test_tables_without_a_common_id_are_not_joined(write, drafted, here, there, message):
    write("sales.csv", [(who(), here.format(what())) for _ in range(ROWS)], "customer_id,article_id")
    write("articles.csv", [(there.format(1000 + n), f"Long coat {n}") for n in range(30)], "article_id,name")
    document, text = drafted()
    assert "candidates" not in document["data"]
    [line] = [line for line in text.splitlines() if "not used: articles.csv" in line]
    assert "its article_id has only 0 of the 30 sampled article_id" in line
    assert here.format("10").rstrip(".0") in line, "an example of each side"
    assert there.format("10").strip() in line
    assert message in line
    assert ("30 differ only in" in line) == bool(message)


def test_ids_that_mostly_differ_in_spelling_are_not_joined(write, drafted):
    write("sales.csv", [(who(), 1000 + n % 30) for n in range(ROWS)], "customer_id,article_id")
    write("articles.csv", [(f"{'0' * (n % 3 > 0)}{1000 + n}", f"Long coat {n}") for n in range(30)], "article_id,name")
    document, text = drafted()
    assert "candidates" not in document["data"], "a run refuses more ids in another spelling than in the same"
    assert "only 10 of the 30 sampled article_id" in text
    assert "20 differ only in leading zeros" in text


def test_tables_with_equal_columns_but_different_names(write, drafted):
    write("purchases.csv", [(who(), what()) for _ in range(ROWS)], "user_id,product_id")
    write("users.csv", [(100 + n, f"Ann Lee {n}") for n in range(40)], "id,name")
    write("products.csv", [(1000 + n, f"Oak table {n}") for n in range(30)], "id,name")
    data = drafted()[0]["data"]
    assert (data["queries"]["path"], data["queries"]["id"]) == ("users.csv", "id")
    assert (data["candidates"]["path"], data["candidates"]["id"]) == ("products.csv", "id")


def test_parts_in_directories_as_spark_writes_them(tmp_path, drafted):
    for part in range(6):
        path = tmp_path / "lake" / "interactions" / f"part-0000{part}-c000.snappy.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"userId": [who() for _ in range(90)], "itemId": [what() for _ in range(90)]}), path)
    (path.parent / "_SUCCESS").touch()
    (tmp_path / "lake" / "items").mkdir()
    items = pa.table({"itemId": range(1000, 1030), "label": ["a", "b"] * 15})
    pq.write_table(items, tmp_path / "lake" / "items" / "part-00000.parquet")
    data = drafted(tmp_path / "lake")[0]["data"]
    assert data["interactions"]["path"] == "interactions"
    assert data["candidates"]["path"] == "items/part-00000.parquet"


def test_many_parts_beside_another_table_are_a_glob(write, drafted):
    for month in range(1, 8):
        write(f"sales-2024-{month:02d}.csv", [(who(), what()) for _ in range(60)], "user_id,item_id")
    write("items.csv", titles(), "item_id,title,genres")
    assert drafted()[0]["data"]["interactions"]["path"] == "sales-2024-0*.csv"


def test_splits_are_recognised_by_whole_words(write, drafted):
    for name in ("train.csv", "test.csv"):
        write(name, [(who(), what()) for _ in range(ROWS)], "user_id,item_id")
    assert drafted()[0]["data"]["interactions"]["path"] == {"train": "train.csv", "test": "test.csv"}


def test_latest_and_devices_are_not_splits(write, drafted, tmp_path):
    for name in ("latest.csv", "devices.csv"):
        write(name, [(who(), what()) for _ in range(ROWS)], "user_id,item_id")
    assert drafted(tmp_path / "latest.csv", tmp_path / "devices.csv")[0]["data"]["interactions"]["path"] == [
        "latest.csv", "devices.csv",
    ]  # fmt: skip


def test_baskets_mention_the_customers_in_another_table(write, drafted):
    write("orders.csv", [(n, n // 5, n % 5) for n in range(100)], "order_id,user_id,order_number")
    write("order_products.csv", [(n // 4, what(), n % 4) for n in range(ROWS)], "order_id,product_id,add_to_cart_order")
    document, text = drafted()
    assert columns_of(document) == {
        "query_id": "order_id", "candidate_id": "product_id", "order": "add_to_cart_order",
    }  # fmt: skip
    assert "user_id is in orders.csv" in text
    assert "join the two tables by order_id" in text


def test_a_table_in_long_form_is_drafted_as_a_pivot(write, drafted, tmp_path):
    write("events.csv", [(START + n * 3600, who(), what()) for n in range(ROWS)], "timestamp,visitorid,itemid")
    names = ("categoryid", "888", "available")
    rows = [(START + n % 9 * 86400, 1000 + n % 30, names[n % 3], n % 4) for n in range(ROWS)]
    for part in (1, 2):
        write(f"item_properties_part{part}.csv", rows, "timestamp,itemid,property,value")
    document, text = drafted()
    assert "candidates" not in document["data"]
    lines = text.splitlines()
    start = lines.index("  # candidates:")
    lines[start : start + 6] = [line.replace("  # ", "  ", 1) for line in lines[start : start + 6]]
    lines.insert(lines.index("features:") + 1, "  candidate: {available: {type: categorical}}")
    file = tmp_path / "pivoted.yaml"
    file.write_text("\n".join(lines))
    pivot = load_config(file).data.candidates.pivot
    assert (pivot.property, pivot.value, pivot.timestamp) == ("property", "value", "timestamp")
    assert set(pivot.keep) == set(names)
    assert START < pivot.before.timestamp() < START + ROWS * 3600


def test_base_dir_is_relative_to_the_file(write, tmp_path):
    write("data/events.csv", [(who(), what()) for _ in range(ROWS)], "user_id,item_id")
    (tmp_path / "configurations").mkdir()
    file = tmp_path / "configurations" / "mine.yaml"
    assert cli("init", tmp_path / "data" / "events.csv", "-o", file).code == 0
    assert yaml.safe_load(file.read_text())["data"]["base_dir"] == "../data"
    assert cli("validate", file).code == 0
    moved = tmp_path / "moved"
    moved.mkdir()
    for folder in ("data", "configurations"):
        (tmp_path / folder).rename(moved / folder)
    assert cli("validate", moved / "configurations" / "mine.yaml").code == 0


def test_a_letter_in_another_encoding_near_the_end(tmp_path, drafted):
    rows = "".join(f"{who()},{what()},x\n" for _ in range(40))
    (tmp_path / "events.csv").write_bytes(("user,item,note\n" + rows + "1,1000,caf\u00e9\n").encode("latin-1"))
    assert drafted()[0]["data"]["interactions"]["encoding"] == "latin-1"


@needs_cases
@pytest.mark.parametrize(
    ("files", "query", "candidate"),
    [
        (["init-takes-the-wrong-id-column/customer_as_float.csv"], "CustomerID", "product_id"),
        (["init-takes-the-wrong-id-column/nan_among_ids.csv"], "user_id", "item_id"),
        (["ids-of-two-tables-disjoint"], "customer_id", "article_id"),
        (["repeat-purchases"], "user", "product"),
    ],
)  # fmt: skip
def test_inputs_that_were_once_misread(drafted, files, query, candidate):
    document, _ = drafted(*(CASES / file for file in files))
    columns = columns_of(document)
    assert (columns["query_id"], columns["candidate_id"]) == (query, candidate)
    assert "candidates" not in document["data"]
    assert document.get("remove_seen") is (False if files == ["repeat-purchases"] else None)
