"""Merges the answers of a loaded model with the changes of candidates since its version was published."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from models.retrieval.known_queries import RECOMMEND_KNOWN
from models.retrieval.signatures import EXCLUDE_IDS
from models.spec.features import CANDIDATE_ID, HISTORY
from models.spec.selection import (
    MMR_LAMBDA,
    RECOMMEND_KNOWN_WHERE,
    RECOMMEND_WHERE,
    SIMILAR_WHERE,
    max_per_input,
)
from serving.model.descriptions import SIGNATURE, Inputs
from serving.model.requests import Request, complete_request
from serving.server.fresh_candidates import FreshCandidates, SideTable

Outputs = dict[str, np.ndarray]
Predict = Callable[[str, Sequence[Request]], Outputs]
Nearest = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]

_FILTERED, _SIMILAR, _SCORE = "recommend_filtered", "similar_candidates", "score"
_EMBEDDINGS = {
    SIGNATURE: "embed_query",
    _FILTERED: "embed_query",
    RECOMMEND_WHERE: "embed_query",
    RECOMMEND_KNOWN: "embed_known",
    RECOMMEND_KNOWN_WHERE: "embed_known",
    _SCORE: "embed_query",
}
"""The signature that embeds the queries of another; to all others the side table has no answers."""
_ROUNDS = 3
_LOWEST = np.finfo(np.float32).min


class FreshAnswers:
    """Merges the answers of one model."""

    def __init__(
        self,
        changes: FreshCandidates,
        signatures: Mapping[str, Inputs],
        *,
        remove_seen: bool,
        predict: Predict,
        nearest: Nearest,
    ) -> None:
        """Wraps a model.

        Args:
            changes: the changes.
            signatures: the inputs of each signature.
            remove_seen: whether the model leaves out the candidates of a request's history.
            predict: the model: outputs of a signature for completed requests.
            nearest: ids and scores of the candidates with the largest dot products, for vectors and a number.
        """
        self._changes, self._signatures, self._remove_seen = changes, signatures, remove_seen
        self._predict, self._nearest = predict, nearest

    def merged(self, signature: str, rows: Sequence[Request], outputs: Outputs, *, wanted: int | None) -> Outputs:
        """The outputs of a signature as if the changes had been indexed.

        Args:
            signature: name of the signature.
            rows: the completed requests.
            outputs: what the model answers.
            wanted: number of answers that are used of each row; None for all.
        """
        table = self._changes.table()
        if table is None or not ({"candidate_ids", "scores"} & set(outputs)) or "query_ids" in outputs:
            return outputs
        if signature == _SCORE:
            return {**outputs, "scores": self._scored(table, rows, outputs["scores"])}
        ids, scores = outputs["candidate_ids"], outputs["scores"]
        again = _FILTERED if signature == SIGNATURE else signature
        if EXCLUDE_IDS in self._signatures.get(again, {}):
            ids, scores = self._refilled(table, again, rows, ids, scores, wanted or ids.shape[1])
        own, (ids, scores) = self._own(table, signature, rows, ids, scores)
        ids, scores = table.merged(ids, scores, own, _are_chosen(rows))
        return {**outputs, "candidate_ids": ids, "scores": scores}

    def _own(
        self, table: SideTable, signature: str, rows: Sequence[Request], ids: np.ndarray, scores: np.ndarray
    ) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Scores of the side table, and the model's answers; they change for candidates that only the table has."""
        if signature in (_SIMILAR, SIMILAR_WHERE):
            asked = [_encoded([row[CANDIDATE_ID]]) for row in rows]
            return self._similar(table, asked, ids, scores, answers_fresh=signature == _SIMILAR)
        if _EMBEDDINGS.get(signature) not in self._signatures:
            return table.no_scores(len(rows)), (ids, scores)
        embedded = self._embedded(signature, rows)
        left_out = [_encoded(row.get("exclude_ids", ())) for row in rows]
        if self._remove_seen:
            left_out = [out | _encoded(row.get(HISTORY, ())) for out, row in zip(left_out, rows, strict=True)]
            if "known" in embedded:
                left_out = [out | set(known) for out, known in zip(left_out, embedded["known"].tolist(), strict=True)]
        allowed = [_encoded(row.get("allow_ids", ())) for row in rows]
        own = table.scores(embedded["embedding"], left_out, allowed)
        for place, row in enumerate(rows):
            own[place, ~table.attributes.matching(row)] = _LOWEST
        own[_are_chosen(rows)] = _LOWEST
        return own, (ids, scores)

    def _similar(
        self,
        table: SideTable,
        asked: Sequence[set[bytes]],
        ids: np.ndarray,
        scores: np.ndarray,
        *,
        answers_fresh: bool,
    ) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Answers for candidates of the side table. Those of the model are not compared with the table."""
        own, places = table.no_scores(len(asked)), np.full(len(asked), -1)
        for row, names in enumerate(asked):
            places[row] = next((table.rows[name] for name in names if name in table.rows), -1)
        fresh = np.flatnonzero(places >= 0).tolist() if answers_fresh else []
        ids, scores = ids.copy(), scores.copy()
        gone = [row for row, names in enumerate(asked) if names & table.hidden]
        ids[gone], scores[gone] = b"", _LOWEST
        if fresh:
            vectors = table.vectors[places[fresh]]
            ids[fresh], scores[fresh] = self._nearest(vectors, ids.shape[1])
            own[fresh] = table.scores(vectors, [asked[row] for row in fresh], [set()] * len(fresh))
        return own, (ids, scores)

    def _refilled(
        self,
        table: SideTable,
        signature: str,
        rows: Sequence[Request],
        ids: np.ndarray,
        scores: np.ndarray,
        wanted: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Asks again, without the changed candidates, for rows whose first answers have too few others."""
        ids, scores = ids.copy(), scores.copy()
        excluded = [set[bytes]() for _ in rows]
        for attempt in range(1, _ROUNDS + 1):
            hidden = table.is_hidden(ids)
            is_full = ids[:, -1] != b""
            short = np.flatnonzero(is_full & ((~hidden).sum(axis=1) < wanted)).tolist()
            if not short:
                break
            again = list[Request]()
            for row in short:
                excluded[row] |= table.hidden if attempt == _ROUNDS else set(ids[row][hidden[row]].tolist())
                asked = complete_request(self._signatures[signature], {})
                given = {name: value for name, value in rows[row].items() if name in asked}
                out = [*given.get("exclude_ids", ()), *(name.decode() for name in excluded[row])]
                again.append({**asked, **given, "exclude_ids": out})
            found = self._predict(signature, again)
            ids[short], scores[short] = found["candidate_ids"], found["scores"]
        return ids, scores

    def _scored(self, table: SideTable, rows: Sequence[Request], scores: np.ndarray) -> np.ndarray:
        queries, scores = self._embedded(_SCORE, rows)["embedding"], scores.copy()
        for row, request in enumerate(rows):
            for place, name in enumerate(request["candidate_ids"]):
                text = _text(name)
                if text in table.rows:
                    scores[row, place] = queries[row] @ table.vectors[table.rows[text]]
                elif text in table.hidden:
                    scores[row, place] = _LOWEST
        return scores

    def _embedded(self, signature: str, rows: Sequence[Request]) -> dict[str, np.ndarray]:
        name = _EMBEDDINGS[signature]
        inputs = self._signatures[name]
        return self._predict(name, [{key: row[key] for key in inputs} for row in rows])


def _are_chosen(rows: Sequence[Request]) -> np.ndarray:
    """Which rows ask for more than the best scores: a choice that the side table cannot take part in."""
    limits = [name for name in rows[0] if name.startswith(max_per_input(""))] if rows else []
    return np.array([row.get(MMR_LAMBDA, np.nan) < 1 or any(row[name] > 0 for name in limits) for row in rows], bool)


def _encoded(names: Any) -> set[bytes]:
    return {_text(name) for name in names} - {b""}


def _text(name: str | bytes) -> bytes:
    return name if isinstance(name, bytes) else name.encode()
