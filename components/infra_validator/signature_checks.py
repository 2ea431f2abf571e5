"""One question to each signature besides `serving_default`, and what must hold of the reply, from either model."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.infra_validator.answer_checks import LOWEST, answer_problem, same_scores
from models.spec.features import CANDIDATE_ID, HISTORY
from serving.model.ask import Question
from serving.model.descriptions import signature_inputs
from serving.model.requests import Request, complete_request

_ROUNDING = 1e-3
_ASKS_QUERIES = "similar_queries"
_NOBODY = "\u00bfnobody knows this id?"


@dataclass(frozen=True)
class SignatureCheck:
    """A question and its check.

    Attributes:
        question: one call.
        problem: what is wrong with the outputs of that call, or None.
    """

    question: Question
    problem: Callable[[Mapping[str, Any]], str | None]


def signature_checks(
    description: Mapping[str, Any], request: Request, *, best: Mapping[str, float], candidate: str
) -> list[SignatureCheck]:
    """The checks of both models of a pair.

    Args:
        description: of one of them.
        request: completed for `serving_default`.
        best: score of some candidates that may be answered to it, computed without the serving models.
        candidate: any candidate's id.
    """
    top_k = description["top_k"]
    first = next(iter(best), candidate)
    seen = request.get(HISTORY, []) if description["remove_seen"] else []

    def check(
        signature: str, values: Sequence[Mapping[str, Any]], problem: Callable[[Mapping[str, Any]], str | None]
    ) -> SignatureCheck:
        inputs = signature_inputs(description, signature)
        rows = [{name: value for name, value in row.items() if name in inputs} for row in values]
        return SignatureCheck(Question(signature, [complete_request(inputs, row) for row in rows]), problem)

    def excluding(reply: Mapping[str, Any]) -> str | None:
        return answer_problem(*_row(reply), top_k=top_k, history=[*seen, first])

    def among(reply: Mapping[str, Any]) -> str | None:
        ids, scores = _row(reply)
        wanted = sorted(best.values(), reverse=True)[:top_k]
        padded = wanted + [LOWEST] * (top_k - len(wanted))
        strangers = set(ids) - set(best) - {""}
        if strangers:
            return f"answers '{min(strangers)}', which was not allowed"
        return answer_problem(ids, scores, top_k=top_k, history=seen) or same_scores(scores, padded)

    def similar(reply: Mapping[str, Any]) -> str | None:
        return answer_problem(*_row(reply), top_k=top_k, history=[first]) or (
            f"answers {_row(reply, 1)[0]} to an unknown id" if any(_row(reply, 1)[0]) else None
        )

    def scored(reply: Mapping[str, Any]) -> str | None:
        return same_scores(reply["scores"][0], [*best.values(), LOWEST])

    checks = (
        [check(_ASKS_QUERIES, [request], _not_nearest_to_itself)] if _ASKS_QUERIES in description["signatures"] else []
    )
    return [
        *checks,
        check("recommend_filtered", [{**request, "exclude_ids": [first, _NOBODY]}], excluding),
        check("recommend_filtered", [{**request, "allow_ids": [_NOBODY, *best, *best]}], among),
        check("similar_candidates", [{CANDIDATE_ID: first}, {CANDIDATE_ID: _NOBODY}], similar),
        check("score", [{**request, "candidate_ids": [*best, _NOBODY]}], scored),
        check("embed_query", [request], _not_finite),
        check("embed_candidate", [{CANDIDATE_ID: first}, {CANDIDATE_ID: _NOBODY}], _not_finite),
    ]


def _row(reply: Mapping[str, Any], row: int = 0) -> tuple[list[str], list[float]]:
    return reply["candidate_ids"][row], reply["scores"][row]


def _not_finite(reply: Mapping[str, Any]) -> str | None:
    if all(math.isfinite(value) for embedding in reply["embedding"] for value in embedding):
        return None
    return "gives an embedding that is not finite"


def _not_nearest_to_itself(reply: Mapping[str, Any]) -> str | None:
    """A stored query, asked with what is stored of it, has the direction of its own embedding."""
    ids, scores = reply["query_ids"][0], reply["scores"][0]
    problem = answer_problem(ids, scores, top_k=len(ids), history=[])
    if problem is None and scores[0] != 0 and not abs(scores[0] - 1) < _ROUNDING:  # 0: an embedding without direction
        return f"the nearest is at {scores[0]}, not 1"
    return problem
