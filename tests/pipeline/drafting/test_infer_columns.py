"""Drafts for the columns of public data sets and exports: their roles, features and settings."""

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.evaluator import EvaluationConfig
from pipeline.config.config import load_config
from tests.pipeline.drafting.drafts import ROWS, START, columns_of, what, who


def moment(number):
    return str(np.datetime64(START + number * 3001, "s")).replace("T", " ")


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


def test_a_time_of_milliseconds_without_a_name(write, drafted):
    write("a.txt", [(who(), what(), (START + n) * 1000) for n in range(ROWS)])
    document, text = drafted()
    assert columns_of(document)["timestamp"] == "column3"
    assert "took column3 as timestamp: by its values; nearly all times are from 2020-09-13 to 2020-09-13" in text


@pytest.mark.parametrize(
    ("unit", "at"), [("s", lambda n: START + n), ("ms", lambda n: (START + n) * 1000), ("iso", lambda n: moment(n))]
)
def test_the_unit_in_the_comment_is_that_of_the_times(write, drafted, tmp_path, unit, at):
    write("a.csv", [(who(), what(), at(n)) for n in range(ROWS)], "user,item,ts")
    _, text = drafted()
    assert "took ts as timestamp: by its name; nearly all times are from 2020-09-13 to " in text
    file = tmp_path / "draft.yaml"
    file.write_text(text.replace("# time_unit:", "time_unit:"), encoding="utf-8")
    assert load_config(file).data.interactions.time_unit == unit


def test_a_draft_says_what_a_low_rating_counts_as(write, drafted, tmp_path):
    write("a.csv", [(who(), what(), 1 + n % 5) for n in range(ROWS)], "user,item,rating")
    _, text = drafted()
    assert "# Every event counts as a choice, a low rating too; rating is its weight in training." in text
    file = tmp_path / "draft.yaml"
    file.write_text(text.replace("# min_weight:", "min_weight:"), encoding="utf-8")
    assert load_config(file).data.interactions.min_weight == 4


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
