import base64
import json
import re
from contextlib import suppress
from itertools import product
from typing import Any

import numpy as np
import pytest

from dataplane.errors import ConfigError
from serving.model.descriptions import InputSpec
from serving.server.predict_json import Interface, PredictRequest, answer_json, parse_request

SIGNATURES = {
    "serving_default": {
        "country": InputSpec(dtype="string", shape=(None,)),
        "age": InputSpec(dtype="float32", shape=(None,)),
        "joined": InputSpec(dtype="int64", shape=(None,)),
        "history": InputSpec(dtype="string", shape=(None, None)),
    },
    "similar_candidates": {"candidate_id": InputSpec(dtype="string", shape=(None,))},
    "score": {"candidate_ids": InputSpec(dtype="string", shape=(None, None))},
}
INTERFACE = Interface(
    SIGNATURES,
    rankings={"serving_default": 10, "similar_candidates": 10},
    columns={"serving_default": ("title", "year"), "similar_candidates": ()},
)


def parse(asked: Any) -> PredictRequest:
    body = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
    return parse_request(body, INTERFACE, max_rows=4)


def b64(text: str) -> dict[str, str]:
    return {"b64": base64.b64encode(text.encode()).decode()}


def test_rows_and_columns_ask_the_same() -> None:
    by_row = parse({"instances": [{"country": "nl", "history": ["a", "b"]}, {"age": 3}]})
    by_column = parse({"inputs": {"country": ["nl", None], "age": [None, 3], "history": [["a", "b"], []]}})
    assert (by_row.signature, by_row.is_by_row, by_column.is_by_row) == ("serving_default", True, False)
    assert str(by_row.rows) == str(by_column.rows)  # NaN is not equal to itself
    assert by_row.rows[0]["joined"] == -(2**63)


def test_the_default_signature_needs_no_name() -> None:
    for named in ({}, {"signature_name": None}, {"signature_name": ""}, {"signature_name": "serving_default"}):
        assert parse({**named, "instances": [{}]}).signature == "serving_default"


def test_a_single_input_needs_no_name() -> None:
    named = parse({"signature_name": "similar_candidates", "instances": [{"candidate_id": "x"}]})
    assert parse({"signature_name": "similar_candidates", "instances": ["x"]}).rows == named.rows
    assert parse({"signature_name": "similar_candidates", "inputs": ["x"]}).rows == named.rows
    assert parse({"signature_name": "similar_candidates", "inputs": {"candidate_id": ["x"]}}).rows == named.rows
    listed = parse({"signature_name": "score", "instances": [["x", "y"], []]})
    assert listed.rows == [{"candidate_ids": ["x", "y"]}, {"candidate_ids": []}]


def test_fewer_answers_and_columns_may_be_asked_for() -> None:
    asked = parse({"instances": [{}], "k": 3, "columns": ["year", "title", "year"]})
    assert (asked.k, asked.columns) == (3, ("year", "title"))
    nothings: list[dict[str, Any]] = [{}, {"k": None, "columns": None}, {"columns": []}]
    for nothing in nothings:
        asked = parse({"signature_name": "score", "instances": [[]], **nothing})
        assert (asked.k, asked.columns) == (None, ())


def test_strings_may_come_as_base64() -> None:
    request = parse({"instances": [{"country": b64("né"), "history": [b64("a"), "b"]}]})
    assert request.rows[0]["country"] == "né".encode()
    assert request.rows[0]["history"] == [b"a", "b"]
    assert parse({"inputs": {"country": [b64("x"), None]}}).rows[0]["country"] == b"x"
    alone = parse({"signature_name": "similar_candidates", "instances": [b64("x"), "y"]})
    assert [row["candidate_id"] for row in alone.rows] == [b"x", "y"]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (b"{", "not JSON"),
        (b'{"instances": [{"age": NaN}]}', "not JSON (null stands for a missing number)"),
        (b'{"instances": [{"age": -Infinity}]}', "not JSON"),
        (b'{"instances": [{"age": 1e400}]}', "not JSON"),
        (b'{"instances": [{"country": "\\ud800"}]}', "not JSON"),
        (b'{"instances": [{"country": "\xff"}]}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        ([], "must be a JSON object with either 'instances' (rows) or 'inputs' (columns)"),
        ({"instances": [{}], "inputs": {}}, "either 'instances' (rows) or 'inputs'"),
        ({"signature_name": "embed", "instances": [{}]}, "no signature 'embed'; there is serving_default, similar_"),
        ({"signature_name": ["x"], "instances": [{}]}, "no signature ['x']"),
        ({"signature_name": 0, "instances": [{}]}, "no signature 0"),
        ({"signature_name": False, "instances": [{}]}, "no signature False"),
        ({"instances": [{}], "k": 11}, "'k' is 11, it must be a whole number from 1 to 10"),
        ({"instances": [{}], "k": 0}, "'k' is 0"),
        ({"instances": [{}], "k": 2.5}, "'k' is 2.5"),
        ({"instances": [{}], "k": True}, "'k' is True"),
        ({"instances": [{}], "k": [3]}, "'k' is [3]"),
        ({"signature_name": "score", "instances": [[]], "k": 3}, "signature 'score' does not rank, so it takes no 'k'"),
        ({"instances": [{}], "columns": "title"}, "'columns' must be a list"),
        ({"instances": [{}], "columns": ["titel"]}, "no column 'titel' of the candidates; there is title, year"),
        ({"instances": [{}], "columns": [["title"]]}, "no column ['title']"),
        ({"signature_name": "score", "instances": [[]], "columns": ["title"]}, "'score' of this model has none"),
        ({"instances": {}}, "'instances' must be a list"),
        ({"instances": [{}, 3]}, "each instance must be an object with some of: country, age, joined, history"),
        ({"instances": [{"b64": "eA=="}]}, "each instance must be an object"),
        ({"instances": []}, "1 to 4 rows, this one has 0"),
        ({"instances": [{}] * 5}, "1 to 4 rows, this one has 5"),
        ({"inputs": {}}, "of one length"),
        ({"inputs": {"age": [1], "country": []}}, "of one length"),
        ({"inputs": {"age": 1}}, "a list for each input"),
        ({"inputs": [1]}, "must be an object"),
        ({"instances": [{"age": 1e39}]}, "'age' is beyond 32-bit floating point: 1e+39"),
        ({"instances": [{"joined": 2**63}]}, "'joined' is beyond 64 bits"),
        ({"instances": [{"history": "a"}]}, "'history' must be a list"),
        ({"instances": [{"country": b64("x") | {"more": 1}}]}, "'country' must be a string"),
        ({"instances": [{"age": b64("3")}]}, "'age' must be a number"),
        ({"instances": [{"country": {"b64": "?"}}]}, "is not base64"),
        ({"instances": [{"country": {"b64": 3}}]}, "is not base64"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(asked: Any, reason: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(reason)):
        parse(asked)


def test_answers_come_as_they_were_asked() -> None:
    ids, scores = np.array([["é".encode(), b""]], object), np.array([[0.1, 2]], np.float32)
    both = {"candidate_ids": ids, "scores": scores}
    by_row = json.loads(answer_json(both, is_by_row=True))
    assert by_row == {"predictions": [{"candidate_ids": ["é", ""], "scores": [0.1, 2.0]}]}
    by_column = json.loads(answer_json(both, is_by_row=False))
    assert by_column == {"outputs": {"candidate_ids": [["é", ""]], "scores": [[0.1, 2.0]]}}
    assert json.loads(answer_json({"scores": scores}, is_by_row=True)) == {"predictions": [[0.1, 2.0]]}
    assert json.loads(answer_json({"scores": scores}, is_by_row=False)) == {"outputs": [[0.1, 2.0]]}


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_an_answer_that_json_cannot_say_is_an_error(score: float) -> None:
    with pytest.raises(ConfigError, match="not finite"):
        answer_json({"scores": np.array([[score]], np.float32)}, is_by_row=True)


@pytest.mark.parametrize("template", [
    b"%s", b'{"instances": %s}', b'{"instances": [%s]}', b'{"inputs": %s}', b'{"inputs": {"history": %s}}',
    b'{"instances": [{"history": %s}]}', b'{"instances": [{"history": ["a", %s]}]}', b'{"instances": [{"age": %s}]}',
    b'{"instances": [{"country": {"b64": %s}}]}', b'{"signature_name": %s, "instances": [{}]}',
])  # fmt: skip
def test_no_nesting_is_too_deep_to_be_refused(template: bytes) -> None:
    kinds = ((b"[", b"]"), (b'{"b64": ', b"}"), (b'[{"age": ', b"}]"))
    for depth, (opening, closing) in product([*range(1, 8), *range(480, 520), *range(970, 1030), 5000], kinds):
        body = template.replace(b"%s", opening * depth + b"1" + closing * depth)
        with suppress(ConfigError):
            parse(body)


def test_messages_repeat_little_of_a_value() -> None:
    long = "x" * 3_900_000
    for asked in (
        {"instances": [{long: 1}]},
        {"instances": [{"age": long}]},
        {"instances": [{"age": [long] * 3}]},
        {"instances": [{"age": {long: long}}]},
        {"instances": [{"history": long}]},
        {"instances": [{"country": {"b64": long + "?"}}]},
        {"signature_name": long, "instances": [{}]},
        {"instances": [{}], "k": long},
        {"instances": [{}], "columns": [long]},
    ):
        with pytest.raises(ConfigError) as refused:
            parse(asked)
        assert len(str(refused.value)) < 500


def test_long_lists_are_refused_before_they_are_looked_through() -> None:
    asked = {"instances": [{"history": ["c1"] * 60_000}, {"history": ["c1"] * 40_001}]}
    with pytest.raises(ConfigError, match="its lists have 100,001 items together, at most 100,000 are allowed"):
        parse(asked)
    with pytest.raises(ConfigError, match="100,001 items"):
        parse({"inputs": {"history": [["c1"] * 100_001]}})
