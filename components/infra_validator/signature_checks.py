"""Asks each signature besides `serving_default` and checks the reply; both models get the same questions."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.infra_validator.answer_checks import LOWEST, answer_problem, same_scores
from models.spec.features import CANDIDATE_ID, HISTORY, QUERY_ID
from models.spec.selection import MMR_LAMBDA, RECOMMEND_KNOWN_WHERE, RECOMMEND_WHERE, SIMILAR_WHERE
from serving.model.ask import Question, Reply
from serving.model.descriptions import ModelDescription
from serving.model.requests import Request, complete_request

_ROUNDING = 1e-3
_ASKS_QUERIES = "similar_queries"
_BY_ID = ("recommend_known", RECOMMEND_KNOWN_WHERE)
_UNKNOWN_ID = "\u00bfnobody knows this id?"


@dataclass(frozen=True)
class SignatureCheck:
    """A question and its check.

    Attributes:
        question: one call of a signature.
        problem: returns what is wrong with the reply, or None.
    """

    question: Question
    problem: Callable[[Reply], str | None]


def signature_checks(
    description: ModelDescription, request: Request, *, best: Mapping[str, float], candidate: str, query: str = ""
) -> list[SignatureCheck]:
    """The checks that both models of a pair must pass.

    Args:
        description: description of either model.
        request: a request completed for `serving_default`.
        best: scores of some of the request's best candidates by id, computed without the serving models.
        candidate: id of any candidate.
        query: id of the stored query that the request was made of; "" without one.
    """
    known = _Known(description, request, best, first=next(iter(best), candidate))
    pair = [{CANDIDATE_ID: known.first}, {CANDIDATE_ID: _UNKNOWN_ID}]
    asks_queries = _ASKS_QUERIES in description.signatures
    ids = [{QUERY_ID: query}, {QUERY_ID: _UNKNOWN_ID}]
    excluded = {**request, "exclude_ids": [known.first, _UNKNOWN_ID]}
    allowed = {**request, "allow_ids": [_UNKNOWN_ID, *best, *best]}
    return [
        *([known.check(_ASKS_QUERIES, [request], _nearest_query_problem)] if asks_queries else []),
        *(known.check(name, ids, known.stored_problem) for name in _BY_ID if name in description.signatures),
        known.check("recommend_filtered", [excluded], known.exclusion_problem),
        known.check("recommend_filtered", [allowed], known.allow_list_problem),
        known.check("similar_candidates", pair, known.similarity_problem),
        *_where_checks(known, pair),
        known.check("score", [{**request, "candidate_ids": [*best, _UNKNOWN_ID]}], known.score_problem),
        known.check("embed_query", [request], _embedding_problem),
        known.check("embed_candidate", pair, _embedding_problem),
    ]


@dataclass(frozen=True)
class _Known:
    """What correct replies must agree with; each `…_problem` returns what is wrong with a reply, or None.

    Attributes:
        description: description of the models.
        request: a request completed for `serving_default`.
        best: scores of some of the request's best candidates by id.
        first: the best candidate, or any candidate if none is known.
    """

    description: ModelDescription
    request: Request
    best: Mapping[str, float]
    first: str

    @property
    def seen(self) -> list[str]:
        """Ids that no answer to the request may contain."""
        return list(self.request.get(HISTORY, [])) if self.description.remove_seen else []

    def check(
        self, signature: str, values: Sequence[Mapping[str, Any]], problem: Callable[[Reply], str | None]
    ) -> SignatureCheck:
        """A check that asks the signature; inputs in `values` that the signature does not take are left out."""
        inputs = self.description.inputs(signature)
        rows = [{name: value for name, value in row.items() if name in inputs} for row in values]
        return SignatureCheck(Question(signature, [complete_request(inputs, row) for row in rows]), problem)

    def exclusion_problem(self, reply: Reply) -> str | None:
        """Checks the answer to the request with the first candidate excluded."""
        return answer_problem(*_row(reply), top_k=self.description.top_k, history=[*self.seen, self.first])

    def allow_list_problem(self, reply: Reply) -> str | None:
        """Checks the answer to the request with only the best candidates allowed."""
        ids, scores = _row(reply)
        top_k = self.description.top_k
        wanted = sorted(self.best.values(), reverse=True)[:top_k]
        padded = wanted + [LOWEST] * (top_k - len(wanted))
        strangers = set(ids) - set(self.best) - {""}
        if strangers:
            return f"the answer has '{min(strangers)}', which was not allowed"
        return answer_problem(ids, scores, top_k=top_k, history=self.seen) or same_scores(scores, padded)

    def choice_problem(self, reply: Reply) -> str | None:
        """Checks an answer that need not be in the order of the scores; it is as long as there are candidates."""
        ids, scores = _row(reply)
        if self.best and not ids[0]:
            return "the answer is empty"
        order = sorted(range(len(scores)), key=lambda place: -scores[place])
        return answer_problem(
            [ids[place] for place in order],
            [scores[place] for place in order],
            top_k=self.description.top_k,
            history=self.seen,
        )

    def stored_problem(self, reply: Reply) -> str | None:
        """Checks the answers to the id of the stored query, by the scores that are known, and to an unknown id."""
        ids, scores = _row(reply)
        found = {text: score for text, score in zip(ids, scores, strict=True) if text in self.best}
        return (
            answer_problem(ids, scores, top_k=self.description.top_k, history=self.seen)
            or same_scores(list(found.values()), [self.best[text] for text in found])
            or answer_problem(*_row(reply, 1), top_k=self.description.top_k, history=[])
        )

    def similarity_problem(self, reply: Reply) -> str | None:
        """Checks the candidates similar to the first candidate, and to an unknown id."""
        return answer_problem(*_row(reply), top_k=self.description.top_k, history=[self.first]) or (
            f"the answer to an unknown id is {_row(reply, 1)[0]}" if any(_row(reply, 1)[0]) else None
        )

    def score_problem(self, reply: Reply) -> str | None:
        """Checks the scores of the best candidates, and of an unknown id."""
        return same_scores(reply["scores"][0], [*self.best.values(), LOWEST])


def _where_checks(known: _Known, pair: Sequence[Mapping[str, Any]]) -> list[SignatureCheck]:
    """Checks of the signatures that select by attributes: without constraints, diverse, and for unknown values."""
    if RECOMMEND_WHERE not in known.description.signatures:
        return []
    named = (name for name, kind in known.description.filters.items() if kind not in ("none_of", "range"))
    inputs = known.description.inputs(RECOMMEND_WHERE)
    unknown = {
        name: [_UNKNOWN_ID] if len(inputs[name].shape) == 2 else _UNKNOWN_ID
        for name in (f"where_{filtered}" for filtered in named)
    }
    return [
        known.check(RECOMMEND_WHERE, [known.request], known.choice_problem),
        known.check(RECOMMEND_WHERE, [{**known.request, MMR_LAMBDA: 0.5}], known.choice_problem),
        known.check(SIMILAR_WHERE, pair, known.similarity_problem),
        *([known.check(RECOMMEND_WHERE, [{**known.request, **unknown}], _filled_problem)] if unknown else []),
    ]


def _filled_problem(reply: Reply) -> str | None:
    """Checks that nothing has an unknown value."""
    ids = [name for name in _row(reply)[0] if name]
    return f"'{ids[0]}' was answered for a value that no candidate has" if ids else None


def _row(reply: Reply, row: int = 0) -> tuple[list[str], list[float]]:
    return reply["candidate_ids"][row], reply["scores"][row]


def _embedding_problem(reply: Reply) -> str | None:
    if all(math.isfinite(value) for embedding in reply["embedding"] for value in embedding):
        return None
    return "an embedding is not finite"


def _nearest_query_problem(reply: Reply) -> str | None:
    """A stored query, asked with its stored features and events, must be nearest to itself."""
    ids, scores = reply["query_ids"][0], reply["scores"][0]
    problem = answer_problem(ids, scores, top_k=len(ids), history=[])
    if problem is None and scores[0] != 0 and not abs(scores[0] - 1) < _ROUNDING:  # 0: an embedding without direction
        return f"the nearest is at {scores[0]}, not 1"
    return problem
