"""Detects collapsed embeddings, which a diverged training or a dead tower produces.

A tower has collapsed if nearly all rows have the same embedding, up to rounding, although their inputs differ. Rows
with equal inputs, such as new candidates without features, may share an embedding.
"""

from collections.abc import Callable, Mapping

import numpy as np

from models.ranking.ranking import NotFiniteError

NEARLY_ALL = 0.95
"""Share of rows, or of queries, above which a model counts as collapsed."""

_ROUNDING = 1e-5
"""Largest relative difference that counts as rounding."""
_SAMPLE = 1000
_INPUTS = 10_000
_BLOCK = 65_536


def check_finite(
    queries: np.ndarray, candidates: np.ndarray, *, name: Callable[[str, int], str] = lambda side, row: f"row {row}"
) -> None:
    """Checks that all embeddings are finite and that their scores fit into float32.

    Args:
        queries: float32 `[queries, dim]`.
        candidates: float32 `[candidates, dim]`.
        name: formats a row of side `query` or `candidate` for messages.

    Raises:
        NotFiniteError: an embedding is not finite, or a score can overflow.
    """
    longest = []
    for side, embeddings in (("query", queries), ("candidate", candidates)):
        lengths = _lengths(embeddings)
        broken = np.flatnonzero(~np.isfinite(lengths))
        if len(broken):
            raise NotFiniteError(
                f"{len(broken)} of {len(lengths)} {side} embeddings have NaN or infinite values; the first is "
                f"{name(side, int(broken[0]))}"
            )
        longest.append(float(lengths.max(initial=0)))
    if longest[0] * longest[1] > float(np.finfo(np.float32).max):
        raise NotFiniteError(
            f"scores can overflow float32: query embeddings are up to {longest[0]:.3g} long, candidate embeddings "
            f"up to {longest[1]:.3g}"
        )


def collapse(
    queries: np.ndarray,
    candidates: np.ndarray,
    *,
    query_inputs: Mapping[str, np.ndarray],
    candidate_inputs: Mapping[str, np.ndarray],
) -> str:
    """Describes how the embeddings have collapsed; "" if they have not.

    Args:
        queries: finite embeddings of some queries, float32 `[queries, dim]`.
        candidates: finite embeddings of the whole catalogue, float32 `[candidates, dim]`.
        query_inputs: inputs of the query tower for each query, each `[queries, width]`.
        candidate_inputs: inputs of the candidate tower for each candidate, each `[candidates, width]`.
    """
    if len(candidates) < 2:
        return ""
    same = _alike(candidates, candidate_inputs)
    if same:
        return f"{_of(same, len(candidates))} candidate embeddings are {_equal(candidates)}"
    same = _alike(queries, query_inputs)
    if same:
        differ = "although their histories or features differ"
        return f"{_of(same, len(queries))} query embeddings are {_equal(queries)} {differ}"
    same = _alike(_directions(queries), query_inputs)
    if same:
        return f"{_of(same, len(queries))} query embeddings point the same way, so every query gets the same ranking"
    constant, sampled = _constant_scores(queries, candidates)
    if sampled > 1 and constant >= NEARLY_ALL * sampled:  # a single query may legitimately have constant scores
        of = f" (of a sample of {sampled})" if sampled < len(queries) else ""
        return f"the scores of {_of(constant, sampled)} queries{of} are the same for all {len(candidates)} candidates"
    return ""


def _alike(embeddings: np.ndarray, inputs: Mapping[str, np.ndarray]) -> int:
    """Number of rows with the most common embedding if nearly all rows have it although their inputs differ; else 0."""
    common = np.median(embeddings[_evenly(len(embeddings), _SAMPLE)], axis=0)
    tolerance = _ROUNDING * np.abs(common).max(initial=0)
    blocks = range(0, len(embeddings), _BLOCK)
    far = [np.abs(embeddings[start : start + _BLOCK] - common).max(axis=1) > tolerance for start in blocks]
    same = ~np.concatenate(far)
    if same.mean() < NEARLY_ALL:
        return 0
    rows = _evenly(len(embeddings), _INPUTS)
    read = [np.ascontiguousarray(values[rows]).view(np.uint8).reshape(len(rows), -1) for values in inputs.values()]
    _, distinct = np.unique(np.concatenate(read, axis=1), axis=0, return_index=True)
    if len(distinct) < 2 or same[rows[distinct]].mean() < NEARLY_ALL:
        return 0
    return int(same.sum())


def _directions(embeddings: np.ndarray) -> np.ndarray:
    lengths = _lengths(embeddings)
    directions: np.ndarray = embeddings / np.where(lengths > 0, lengths, 1)[:, None]
    return directions


def _lengths(embeddings: np.ndarray) -> np.ndarray:
    """Lengths in float64, because squares of large float32 values overflow."""
    lengths: np.ndarray = np.sqrt(np.einsum("ij,ij->i", embeddings, embeddings, dtype=np.float64))
    return lengths


def _constant_scores(queries: np.ndarray, candidates: np.ndarray) -> tuple[int, int]:
    """The number of sampled queries that score all candidates alike, and the size of the sample."""
    sample = queries[_evenly(len(queries), _SAMPLE)]
    lowest, highest = np.full(len(sample), np.inf), np.full(len(sample), -np.inf)
    longest = 0.0
    for start in range(0, len(candidates), _BLOCK):
        block = candidates[start : start + _BLOCK]
        scores = sample @ block.T
        lowest, highest = np.minimum(lowest, scores.min(axis=1)), np.maximum(highest, scores.max(axis=1))
        longest = max(longest, float(_lengths(block).max()))
    rounding = _ROUNDING * _lengths(sample) * longest
    return int(np.count_nonzero(highest - lowest <= rounding)), len(sample)


def _evenly(rows: int, count: int) -> np.ndarray:
    """At most `count` row numbers, evenly spaced from the first row to the last."""
    return np.unique(np.linspace(0, rows - 1, min(rows, count)).astype(np.int64))


def _of(count: int, of: int) -> str:
    return f"all {of}" if count == of else f"{count} of {of}"


def _equal(embeddings: np.ndarray) -> str:
    middle = np.median(embeddings[_evenly(len(embeddings), _SAMPLE)], axis=0)
    return "zero" if not middle.any() else "equal"
