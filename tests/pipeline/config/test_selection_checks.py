"""Attributes that requests select by are checked against the candidate table and the features, before any step runs."""

from typing import Any

import pytest

from dataplane.errors import ConfigError
from models.spec.selection import Filter
from pipeline.config.config import load_config
from tests.pipeline.config.changes import put


def test_filters_are_written_short_or_out(write: Any) -> None:
    index = {"filters": {"price": "range", "cost": {"kind": "range", "column": "price"}}, "max_per": ["price"]}
    config = load_config(write(put("index", index)))
    assert config.index.offered_filters == {"price": Filter(kind="range"), "cost": Filter(kind="range", column="price")}
    assert config.serves_columns
    assert not load_config(write()).serves_columns


@pytest.mark.parametrize(
    ("index", "key", "message"),
    [
        ({"filters": {"size": "any_of"}}, "index.filters.size", "there is no column 'size'"),
        ({"filters": {"dear": {"kind": "range", "column": "cost"}}}, "index.filters.dear", "there is no column 'cost'"),
        ({"max_per": ["brand"]}, "index.max_per.0", "there is no column 'brand'"),
        (
            {"filters": {"price": "some_of"}},
            "index.filters.price",
            "'any_of', 'all_of', 'none_of', 'equals' or 'range'",
        ),
        ({"filters": {"a price": "range"}}, "index.filters", "pattern"),
        (
            {"filters": {"price": "range", "price_min": {"kind": "equals", "column": "price"}}},
            "index.filters.price_min",
            "two inputs of a request would be named 'where_price_min'",
        ),
    ],
)
def test_attributes_that_contradict_the_table_are_refused(
    write: Any, index: dict[str, Any], key: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(put("index", index)))
    assert any(key in line and message in line for line in str(caught.value).splitlines()), str(caught.value)


def test_a_type_that_does_not_fit_is_found_in_the_footer_of_parquet(write: Any) -> None:
    def change(values: dict[str, Any]) -> None:
        put("index", {"filters": {"id": {"kind": "range", "column": "item"}}})(values)
        values["data"]["candidates"]["id"] = "price"
        put("features.candidate", {})(values)

    with pytest.raises(
        ConfigError, match="column 'item' of the candidate table is string; range needs numbers or time"
    ):
        load_config(write(change))


def test_a_feature_may_not_have_the_name_of_an_option(write: Any) -> None:
    def change(values: dict[str, Any]) -> None:
        put("index", {"mmr": True})(values)
        put("features.query", {"mmr_lambda": {"type": "categorical", "column": "country"}})(values)

    with pytest.raises(ConfigError, match="two inputs of a request would be named 'mmr_lambda'"):
        load_config(write(change))
