"""Drafts for the shapes of public data sets and exports: roles of files and of columns."""

import csv
import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from components.evaluator import EvaluationConfig
from dataplane.errors import ConfigError
from pipeline.config.config import load_config
from pipeline.drafting.infer import infer_draft
from tests.e2e.conftest import cli
from tests.paths import SHARED
from tests.pipeline.drafting.drafts import draft_config

CASES = SHARED / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="the failing inputs are not beside this checkout")

RANDOM = np.random.default_rng(0)
ROWS = 400
START = 1_600_000_000


def who(count=40, first=100):
    return int(RANDOM.integers(first, first + count))


def what(count=30, first=1000):
    return int(RANDOM.integers(first, first + count))


def moment(number):
    return str(np.datetime64(START + number * 3001, "s")).replace("T", " ")


@pytest.fixture
def write(tmp_path):
    def write(name, rows, header="", delimiter=","):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file, delimiter=delimiter, lineterminator="\n")
            lines.writerows([header.split(",")] if header else [])
            lines.writerows(rows)
        return path

    return write


@pytest.fixture
def drafted(tmp_path):
    """The draft for the test's directory, after `validate` has accepted it, and its text."""

    def drafted(*paths):
        text = draft_config([str(path) for path in paths or (tmp_path,)])
        file = tmp_path / "draft.yaml"
        file.write_text(text, encoding="utf-8")
        load_config(file)
        return yaml.safe_load(text), text

    return drafted


def refusal(*paths):
    with pytest.raises(ConfigError) as error:
        infer_draft([str(path) for path in paths])
    return str(error.value)


def titles(count=30, first=1000):
    return [(first + n, f"The story of number {n}", ("Drama|Comedy", "War")[n % 2]) for n in range(count)]


def columns_of(document):
    return document["data"]["interactions"]["columns"]


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


@pytest.mark.parametrize(
    ("kinds", "weights"),
    [
        (("view", "addtocart", "transaction"), {"view": 1, "addtocart": 3, "transaction": 5}),
        (("ansicht", "warenkorb", "kauf", "retour"), {"ansicht": 1, "warenkorb": 3, "kauf": 5, "retour": 0}),
        (("pv", "fav", "buy"), {"pv": 1, "fav": 2, "buy": 5}),
    ],
)
def test_kinds_of_event_become_weights_and_not_context(write, drafted, kinds, weights):
    rows = [(START * 1000 + n, who(), kinds[n * 7 % len(kinds)], what()) for n in range(ROWS)]
    write("events.csv", rows, "timestamp,visitorid,was,itemid")
    document, text = drafted()
    assert columns_of(document) == {"query_id": "visitorid", "candidate_id": "itemid", "timestamp": "timestamp"}
    assert document["training"]["event_weights"] == {"column": "was", "weights": weights}
    assert "was: {type" not in text
    assert "check: was is the kind of event" in text


def test_rare_kinds_beyond_the_sample_have_a_weight(write, drafted, monkeypatch):
    monkeypatch.setattr("pipeline.drafting.tables._ROWS", 100)
    rows = [(who(), "purchase" if n == ROWS - 1 else ("view", "click")[n % 2], what()) for n in range(ROWS)]
    write("events.csv", rows, "user,action,item")
    assert drafted()[0]["training"]["event_weights"]["weights"].keys() == {"view", "click", "purchase"}


def test_channel_quantity_and_price_are_not_weights(write, drafted):
    write("sales.csv", [(who(), what(), 1 + n % 2, 1 + n % 5, n % 7) for n in range(ROWS)],
          "customer_id,article_id,sales_channel_id,qty,prix")  # fmt: skip
    assert columns_of(drafted()[0]) == {"query_id": "customer_id", "candidate_id": "article_id"}


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


def test_a_time_of_milliseconds_without_a_name(write, drafted):
    write("a.txt", [(who(), what(), (START + n) * 1000) for n in range(ROWS)])
    assert columns_of(drafted()[0])["timestamp"] == "column3"


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
    assert "not used: tags.csv; it also has userId and movieId" in text
    assert "not used: links.csv; it could also describe the candidates" in text


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


def test_a_column_of_splits(write, drafted):
    rows = [(who(), what(), ("train", "train", "validation", "test")[n % 4]) for n in range(ROWS)]
    write("events.csv", rows, "user,item,fold")
    assert columns_of(drafted()[0])["split"] == "fold"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (lambda n: ("soon", "later", "never")[n % 3], "'soon', 'later', 'never'"),
        (lambda n: f"{n % 24:02d}:{n % 60:02d}:00", "'00:00:00', '01:01:00', '02:02:00'"),
        (lambda n: moment(n) if n % 2 else f"unknown {n % 3}", "50% of its values cannot be read"),
    ],
)
def test_a_time_column_that_is_left_out_is_explained(write, drafted, written, message):
    write("events.csv", [(who(), what(), written(n)) for n in range(ROWS)], "user,item,event_time")
    document, text = drafted()
    assert "timestamp" not in columns_of(document)
    [line] = [line for line in text.splitlines() if "event_time: left out as timestamp" in line]
    assert message in line


def test_numbers_that_are_not_dates_become_an_order(write, drafted):
    write("events.csv", [(who(), what(), n) for n in range(ROWS)], "user,item,timestamp")
    assert columns_of(drafted()[0])["order"] == "timestamp"


def test_of_two_time_columns_the_one_of_the_event_is_used(write, drafted):
    write("orders.csv", [(who(), what(), moment(n + 50), moment(n)) for n in range(ROWS)],
          "user_id,product_id,delivered_at,ordered_at")  # fmt: skip
    document, text = drafted()
    assert columns_of(document)["timestamp"] == "ordered_at"
    assert "delivered_at also holds times" in text


@pytest.mark.parametrize("marker", ["NULL", "nan", "\\N", "None"])
def test_texts_for_missing_ids_are_listed(write, drafted, marker):
    rows = [(marker if n % 3 == 0 else who(), what(), START + n, marker if n % 5 else 20) for n in range(ROWS)]
    write("events.csv", rows, "user_id,item_id,ts,age")
    document, _ = drafted()
    assert columns_of(document) == {"query_id": "user_id", "candidate_id": "item_id", "timestamp": "ts"}
    assert document["data"]["interactions"]["null_values"] == ["", marker]
    assert document["data"]["max_bad_fraction"] >= 0.34


@pytest.mark.parametrize(("candidates", "expected"), [(3, False), (2000, None)])
def test_repeated_choices_set_remove_seen(write, drafted, candidates, expected):
    write("orders.csv", [(who(20), what(candidates), START + n) for n in range(ROWS)], "user,product,ts")
    document, text = drafted()
    assert document.get("remove_seen") is expected
    assert ("of the sampled events repeat a candidate that the query chose before" in text) == (expected is False)


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


def test_without_three_events_per_query_the_split_is_by_ratio(write, drafted):
    write("orders.csv", [(n // 2, what(), START + n) for n in range(ROWS)], "user_id,item_id,ts")
    assert drafted()[0]["split"] == {"method": "ratio"}


def test_nan_values_do_not_stop_the_run(tmp_path, drafted):
    price = np.where(np.arange(ROWS) % 8 == 0, np.nan, 1.5 * np.arange(ROWS))
    table = {"user_id": [who() for _ in range(ROWS)], "item_id": [what() for _ in range(ROWS)], "price": price}
    pq.write_table(pa.table(table), tmp_path / "events.parquet")
    assert drafted()[0]["validation"]["max_nan_fraction"] >= 0.13


def test_gates_are_drafted_as_comments_that_can_be_used(write, drafted, tmp_path):
    write("events.csv", [(who(), what()) for _ in range(ROWS)], "user_id,item_id")
    text = drafted()[1]
    begin = text.index("# evaluation:")
    file = tmp_path / "gated.yaml"
    file.write_text(text[:begin] + "\n".join(line.removeprefix("# ") for line in text[begin:].splitlines()))
    assert load_config(file).evaluation == EvaluationConfig()


def test_lists_with_one_value_are_lists(tmp_path, write, drafted):
    write("events.csv", [(who(), what()) for _ in range(ROWS)], "user_id,item_id")
    items = [{"item_id": 1000 + n, "genres": [("a", "b")[n % 2]]} for n in range(30)]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    assert drafted()[0]["features"]["candidate"]["genres"] == {"type": "categorical", "max_values": 2}


def test_invalid_feature_names_are_replaced(write, drafted):
    write("events.csv", [(who(), what()) for _ in range(ROWS)], "user_id,item_id")
    write("users.csv", [(100 + n, n % 3, n % 4, n % 5, n % 6, n % 7, n % 9) for n in range(40)],
          "user_id,history,a-b,a b,größe,query_id,年齢")  # fmt: skip
    features = drafted()[0]["features"]["query"]
    assert features == {
        "history_2": {"type": "categorical", "column": "history"},
        "a_b": {"type": "categorical", "column": "a-b"},
        "a_b_2": {"type": "categorical", "column": "a b"},
        "grosse": {"type": "categorical", "column": "größe"},
    }


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


def test_fractional_ids_are_refused_and_not_replaced_by_another_column(tmp_path):
    table = {"CustomerID": [who() + 0.5 for _ in range(ROWS)], "product_id": [what() for _ in range(ROWS)]}
    pq.write_table(pa.table(table | {"qty": [1, 2] * (ROWS // 2)}), tmp_path / "events.parquet")
    assert "CustomerID holds float64" in refusal(tmp_path / "events.parquet")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_whole_numbers_match_with_and_without_a_decimal_point(tmp_path, drafted, suffix):
    users = pa.table({"CustomerID": range(100, 140), "city": ["Oslo", "Rome"] * 20})
    events = {
        "CustomerID": [None if n % 200 == 0 else who() + 0.0 for n in range(ROWS)],
        "StockCode": [f"S{what()}" for _ in range(ROWS)],
    }
    for name, table in (("events", pa.table(events)), ("users", users)):
        if suffix == "csv":
            rows = [["" if value is None else value for value in row.values()] for row in table.to_pylist()]
            with (tmp_path / f"{name}.csv").open("w", newline="") as file:
                csv.writer(file).writerows([table.column_names, *rows])
        else:
            pq.write_table(table, tmp_path / f"{name}.parquet")
    data = drafted()[0]["data"]
    assert data["interactions"]["columns"]["query_id"] == "CustomerID"
    assert data["interactions"]["whole_number_ids"] is True
    assert data["queries"]["id"] == "CustomerID"
    assert "whole_number_ids" not in data["queries"]


def test_a_letter_in_another_encoding_near_the_end(tmp_path, drafted):
    rows = "".join(f"{who()},{what()},x\n" for _ in range(40))
    (tmp_path / "events.csv").write_bytes(("user,item,note\n" + rows + "1,1000,caf\u00e9\n").encode("latin-1"))
    assert drafted()[0]["data"]["interactions"]["encoding"] == "latin-1"


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
