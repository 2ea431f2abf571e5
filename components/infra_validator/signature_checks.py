"""One question to each signature besides `serving_default`, and what must hold of the reply, from either model."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.infra_validator.answer_checks import LOWEST, answer_problem, same_scores
from models.spec.features import CANDIDATE_ID, HISTORY
from serving.model.ask import Question, Reply
from serving.model.descriptions import ModelDescription
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
    problem: Callable[[Reply], str | None]


def signature_checks(
    description: ModelDescription, request: Request, *, best: Mapping[str, float], candidate: str
) -> list[SignatureCheck]:
    """The checks of both models of a pair.

    Args:
        description: of one of them.
        request: completed for `serving_default`.
        best: score of some candidates that may be answered to it, computed without the serving models.
        candidate: any candidate's id.
    """
    known = _Known(description, request, best, first=next(iter(best), candidate))
    pair = [{CANDIDATE_ID: known.first}, {CANDIDATE_ID: _NOBODY}]
    asks_queries = _ASKS_QUERIES in description.signatures
    return [
        *([known.check(_ASKS_QUERIES, [request], _not_nearest_to_itself)] if asks_queries else []),
        known.check("recommend_filtered", [{**request, "exclude_ids": [known.first, _NOBODY]}], known.not_excluding),
        known.check("recommend_filtered", [{**request, "allow_ids": [_NOBODY, *best, *best]}], known.not_among),
        known.check("similar_candidates", pair, known.not_similar),
        known.check("score", [{**request, "candidate_ids": [*best, _NOBODY]}], known.wrong_scores),
        known.check("embed_query", [request], _not_finite),
        known.check("embed_candidate", pair, _not_finite),
    ]


@dataclass(frozen=True)
class _Known:
    """What is known of the right replies; the methods say what is wrong with one, or None.

    Attributes:
        description: of the models.
        request: completed for `serving_default`.
        best: score of some candidates that may be answered to it.
        first: the best of them, or any candidate.
    """

    description: ModelDescription
    request: Request
    best: Mapping[str, float]
    first: str

    @property
    def seen(self) -> list[str]:
        """Ids that must not be answered to the request."""
        return list(self.request.get(HISTORY, [])) if self.description.remove_seen else []

    def check(
        self, signature: str, values: Sequence[Mapping[str, Any]], problem: Callable[[Reply], str | None]
    ) -> SignatureCheck:
        """A question whose rows have of `values` what the signature takes."""
        inputs = self.description.inputs(signature)
        rows = [{name: value for name, value in row.items() if name in inputs} for row in values]
        return SignatureCheck(Question(signature, [complete_request(inputs, row) for row in rows]), problem)

    def not_excluding(self, reply: Reply) -> str | None:
        """Of the request with the first candidate excluded."""
        return answer_problem(*_row(reply), top_k=self.description.top_k, history=[*self.seen, self.first])

    def not_among(self, reply: Reply) -> str | None:
        """Of the request with the best candidates alone allowed."""
        ids, scores = _row(reply)
        top_k = self.description.top_k
        wanted = sorted(self.best.values(), reverse=True)[:top_k]
        padded = wanted + [LOWEST] * (top_k - len(wanted))
        strangers = set(ids) - set(self.best) - {""}
        if strangers:
            return f"answers '{min(strangers)}', which was not allowed"
        return answer_problem(ids, scores, top_k=top_k, history=self.seen) or same_scores(scores, padded)

    def not_similar(self, reply: Reply) -> str | None:
        """Of candidates similar to the first one, and to an unknown one."""
        return answer_problem(*_row(reply), top_k=self.description.top_k, history=[self.first]) or (
            f"answers {_row(reply, 1)[0]} to an unknown id" if any(_row(reply, 1)[0]) else None
        )

    def wrong_scores(self, reply: Reply) -> str | None:
        """Of the best candidates' scores, and an unknown one's."""
        return same_scores(reply["scores"][0], [*self.best.values(), LOWEST])


def _row(reply: Reply, row: int = 0) -> tuple[list[str], list[float]]:
    return reply["candidate_ids"][row], reply["scores"][row]


def _not_finite(reply: Reply) -> str | None:
    if all(math.isfinite(value) for embedding in reply["embedding"] for value in embedding):
        return None
    return "gives an embedding that is not finite"


def _not_nearest_to_itself(reply: Reply) -> str | None:
    """A stored query, asked with what is stored of it, has the direction of its own embedding."""
    ids, scores = reply["query_ids"][0], reply["scores"][0]
    problem = answer_problem(ids, scores, top_k=len(ids), history=[])
    if problem is None and scores[0] != 0 and not abs(scores[0] - 1) < _ROUNDING:  # 0: an embedding without direction
        return f"the nearest is at {scores[0]}, not 1"
    return problem
