"""The options `--where`, `--max-per` and `--mmr-lambda` of `recommend`."""

from typing import Any

import pytest

from dataplane.errors import ConfigError
from pipeline.selecting import selection
from serving.model.descriptions import InputSpec, ModelDescription, Signature

INPUTS = {
    "where_country": InputSpec(dtype="string", shape=(None, None)),
    "where_in_stock": InputSpec(dtype="string", shape=(None,)),
    "where_price_min": InputSpec(dtype="float64", shape=(None,)),
    "where_price_max": InputSpec(dtype="float64", shape=(None,)),
    "max_per_brand": InputSpec(dtype="int64", shape=(None,)),
    "mmr_lambda": InputSpec(dtype="float32", shape=(None,)),
}
DESCRIPTION = ModelDescription(
    identity={},
    filters={"country": "any_of", "in_stock": "equals", "price": "range"},
    signatures={"recommend_where": Signature(inputs=INPUTS)},
)


@pytest.mark.parametrize(
    ("where", "inputs"),
    [
        ("country=DE,AT", {"where_country": ["DE", "AT"]}),
        ('country=["a,b", "c=d"]', {"where_country": ["a,b", "c=d"]}),
        ("in_stock=true,false", {"where_in_stock": "true,false"}),
        ("price=..100", {"where_price_max": 100.0}),
        ("price=-2.5..", {"where_price_min": -2.5}),
        ("price=1970-01-02..1970-01-01T00:00:01+00:00", {"where_price_min": 86400.0, "where_price_max": 1.0}),
        ("price=..", {}),
    ],
)
def test_a_filter_becomes_inputs_of_its_kind(where: str, inputs: dict[str, Any]) -> None:
    assert selection(DESCRIPTION, where=[where], max_per=[], mmr_lambda=None) == inputs


def test_all_options_come_together() -> None:
    inputs = selection(DESCRIPTION, where=["country=DE", "in_stock=1"], max_per=["brand=2"], mmr_lambda=0.3)
    assert inputs == {"where_country": ["DE"], "where_in_stock": "1", "max_per_brand": 2, "mmr_lambda": 0.3}


@pytest.mark.parametrize(
    ("where", "max_per", "message"),
    [
        (["country"], [], "--where country: must be NAME=VALUE"),
        (["color=red"], [], "the model has no 'color'; it has country, in_stock, price"),
        (["price=5"], [], "--where price=5: a range is FROM..TO"),
        (["price=cheap.."], [], "'cheap' is neither a number nor a date"),
        (["price=..inf"], [], "'inf' is not a number; leave the bound out"),
        (["country=[1]"], [], "must be strings"),
        (["country=[1"], [], "not a JSON list"),
        ([], ["country=2"], "the model has no 'country'; it has brand"),
        ([], ["brand=0"], "--max-per brand=0: must be a whole number from 1 on"),
    ],
)
def test_an_option_that_does_not_fit_is_refused(where: list[str], max_per: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        selection(DESCRIPTION, where=where, max_per=max_per, mmr_lambda=None)
    assert message in str(caught.value)


def test_a_model_without_attributes_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no signature 'recommend_where'; name the columns in index.filters"):
        selection(ModelDescription(identity={}), where=[], max_per=[], mmr_lambda=0.5)
