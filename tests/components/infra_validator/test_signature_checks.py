"""Each check of a signature with a right reply and with wrong ones, without a model."""

import math
from typing import Any

import pytest

from components.infra_validator.answer_checks import LOWEST
from components.infra_validator.signature_checks import SignatureCheck, signature_checks
from serving.model.ask import Reply
from serving.model.descriptions import InputSpec, ModelDescription, Signature

TEXT, TEXTS = InputSpec(dtype="string", shape=(None,)), InputSpec(dtype="string", shape=(None, None))
INPUTS = {
    "similar_queries": {"history": TEXTS},
    "recommend_known": {"query_id": TEXT, "history": TEXTS},
    "recommend_known_where": {"query_id": TEXT, "history": TEXTS, "where_country": TEXTS},
    "recommend_filtered": {"history": TEXTS, "exclude_ids": TEXTS, "allow_ids": TEXTS},
    "similar_candidates": {"candidate_id": TEXT},
    "score": {"history": TEXTS, "candidate_ids": TEXTS},
    "embed_query": {"history": TEXTS},
    "embed_candidate": {"candidate_id": TEXT},
    "recommend_where": {
        "history": TEXTS,
        "where_country": TEXTS,
        "where_brand": TEXT,
        "where_taboo": TEXTS,
        "mmr_lambda": InputSpec(dtype="float32", shape=(None,)),
    },
    "similar_where": {"candidate_id": TEXT},
}
DESCRIPTION = ModelDescription(
    identity={},
    top_k=3,
    remove_seen=True,
    filters={"country": "any_of", "brand": "equals", "taboo": "none_of"},
    signatures={name: Signature(inputs=inputs) for name, inputs in INPUTS.items()},
)
BEST = {"a": 3.0, "b": 2.0}
WHERE = ("recommend_where", "similar_where")


def check(signature: str, wanted: str = "") -> SignatureCheck:
    """The check of a signature; `wanted` is an input that its question gives."""
    checks = signature_checks(DESCRIPTION, {"history": ["seen"]}, best=BEST, candidate="z", query="q")
    (found,) = [
        check
        for check in checks
        if check.question.signature == signature and (not wanted or check.question.requests[0][wanted])
    ]
    return found


def answers(*rows: dict[str, float]) -> Reply:
    """Candidates and scores by row, padded to the three that a model answers."""
    padding = [3 - len(row) for row in rows]
    ids = [[*row, *[""] * more] for row, more in zip(rows, padding, strict=True)]
    scores = [[*row.values(), *[LOWEST] * more] for row, more in zip(rows, padding, strict=True)]
    return {"candidate_ids": ids, "scores": scores}


@pytest.mark.parametrize(
    ("signature", "wanted", "right", "wrong", "problem"),
    [
        ("recommend_filtered", "exclude_ids", answers({"b": 2.0}), answers({"a": 3.0, "b": 2.0}), "'a' is in the hist"),
        ("recommend_filtered", "exclude_ids", answers({"b": 2.0}), answers({"seen": 2.0}), "'seen' is in the history"),
        ("recommend_filtered", "allow_ids", answers(BEST), answers({"x": 3.0, "b": 2.0}), "has 'x', which was not all"),
        ("recommend_filtered", "allow_ids", answers(BEST), answers({"a": 3.0, "b": 1.0}), "score 1.0 at rank 2"),
        ("recommend_known", "", answers(BEST, {}), answers({"a": 3.0, "b": 1.5}, {}), "score 1.5 at rank 2"),
        ("recommend_known", "", answers({"x": 4.0}, {}), answers({"seen": 3.0}, {}), "'seen' is in the history"),
        ("recommend_known_where", "", answers(BEST, {}), answers({"a": 3.0, "b": 1.5}, {}), "score 1.5 at rank 2"),
        ("recommend_known", "", answers(BEST, BEST), answers(BEST, {"a": math.nan}), "scores that are not finite"),
        ("similar_candidates", "", answers({"b": 1.0}, {}), answers({"a": 1.0}, {}), "'a' is in the history"),
        ("similar_candidates", "", answers({"b": 1.0}, {}), answers({"b": 1.0}, {"b": 1.0}), "an unknown id is ['b'"),
        ("score", "", {"scores": [[3.0, 2.0, LOWEST]]}, {"scores": [[3.0, 2.0, 0.0]]}, "score 0.0 at rank 3"),
        ("embed_query", "", {"embedding": [[1.0]]}, {"embedding": [[math.nan]]}, "an embedding is not finite"),
        ("embed_candidate", "", {"embedding": [[1.0]]}, {"embedding": [[1.0], [math.inf]]}, "an embedding is not fin"),
    ],
)
def test_a_wrong_reply_is_a_problem(signature: str, wanted: str, right: Any, wrong: Any, problem: str) -> None:
    asked = check(signature, wanted)
    assert asked.problem(right) is None
    assert problem in (asked.problem(wrong) or "")


def test_wrong_answers_to_a_request_with_attributes_are_problems() -> None:
    checks = signature_checks(DESCRIPTION, {"history": ["seen"]}, best=BEST, candidate="z")
    plain, diverse, similar, unknown = (it for it in checks if it.question.signature in WHERE)
    assert diverse.question.requests[0]["mmr_lambda"] == 0.5
    for it in (plain, diverse):
        assert it.problem(answers({"b": 2.0, "a": 3.0})) is None
        assert it.problem(answers({})) == "the answer is empty"
        assert it.problem(answers({"seen": 3.0})) == "'seen' is in the history"
    assert similar.problem(answers({"b": 1.0}, {"b": 1.0})) == "the answer to an unknown id is ['b', '', '']"
    (asked,) = unknown.question.requests
    assert (asked["where_country"], asked["where_brand"], asked["where_taboo"]) == (
        [asked["where_brand"]],
        asked["where_brand"],
        [],
    )
    assert unknown.problem(answers({})) is None
    assert unknown.problem(answers(BEST)) == "'a' was answered for a value that no candidate has"


@pytest.mark.parametrize("score", [1.0, 0.0])
def test_a_stored_query_is_nearest_to_itself_or_has_no_direction(score: float) -> None:
    reply = {"query_ids": [["q", "r"]], "scores": [[score, score - 1]]}
    assert check("similar_queries").problem(reply) is None
    far = {**reply, "scores": [[0.9, 0.5]]}
    assert check("similar_queries").problem(far) == "the nearest is at 0.9, not 1"
