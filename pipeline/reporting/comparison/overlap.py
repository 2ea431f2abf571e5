"""Compares what the models of runs recommend to the same queries."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipeline.reporting.comparison.facts import Compared
from pipeline.reporting.words import number, share

_K = 10
_MOST_QUERIES = 10_000
_EXAMPLES = 6

_Lists = Mapping[str, Sequence[str]]
"""Candidates by query id, best first."""


@dataclass(frozen=True)
class Overlap:
    """Overlap of the first answers of a run with those of run A.

    Attributes:
        letter: the other run.
        queries: number of shared queries.
        source: the kind of the queries.
        k: length of the longest list.
        common: mean share of the answers that both lists contain.
        same_first: share of the queries with the same first answer.
    """

    letter: str
    queries: int
    source: str
    k: int
    common: float
    same_first: float

    def told(self, first: str) -> str:
        """The overlap in words."""
        return (
            f"{self.letter} gives {share(self.common)} of {first}'s first {self.k} answers, and the same first answer "
            f"to {share(self.same_first)} of {number(self.queries)} {self.source}."
        )


@dataclass(frozen=True)
class Answer:
    """A recommended candidate; `shared` tells whether all runs recommend it to this query."""

    title: str
    shared: bool


@dataclass(frozen=True)
class SharedExample:
    """A query that all runs have as an example.

    Attributes:
        query_id: id of the query.
        answers: answers of each run, best first.
    """

    query_id: str
    answers: tuple[tuple[Answer, ...], ...]


def compare_answers(runs: Sequence[Compared]) -> tuple[Overlap, ...]:
    """Compares every run with the first; leaves out runs that share no query with it.

    The recommendations to all queries are compared if both runs have them, otherwise the answers to example queries.
    """
    found = (_overlap(runs[0], other) for other in runs[1:])
    return tuple(it for it in found if it is not None)


def shared_examples(runs: Sequence[Compared]) -> tuple[SharedExample, ...]:
    """The first example queries that all runs have."""
    lists = [_examples(it) for it in runs]
    queries = [query for query in lists[0] if all(query in of for of in lists)]
    return tuple(SharedExample(query, tuple(_marked(query, runs, lists))) for query in queries[:_EXAMPLES])


def _overlap(first: Compared, other: Compared) -> Overlap | None:
    source = "queries with recommendations"
    ours, theirs = _recommended(first, other)
    if not ours:
        source = "example queries"
        ours, theirs = _examples(first), _examples(other)
    pairs = [(ours[query], theirs[query]) for query in ours if query in theirs and (ours[query] or theirs[query])]
    if not pairs:
        return None
    return Overlap(
        letter=other.letter,
        queries=len(pairs),
        source=source,
        k=max(len(it) for pair in pairs for it in pair),
        common=float(np.mean([len(set(a) & set(b)) / max(len(a), len(b)) for a, b in pairs])),
        same_first=float(np.mean([list(a[:1]) == list(b[:1]) for a, b in pairs])),
    )


def _examples(run: Compared) -> _Lists:
    answers = run.documents.answers
    return {it.query_id: it.answers[:_K] for it in answers.examples} if answers else {}


def _recommended(first: Compared, other: Compared) -> tuple[_Lists, _Lists]:
    """Recommendations of both runs to at most `_MOST_QUERIES` shared queries, spread over all of them."""
    if not first.recommendations or not other.recommendations:
        return {}, {}
    ids, known = (_parquet(it.recommendations).to_table(columns=["query_id"])["query_id"] for it in (first, other))
    shared = ids.filter(pc.is_in(ids, known.combine_chunks()))
    places = np.unique(np.linspace(0, max(len(shared) - 1, 0), min(len(shared), _MOST_QUERIES)).astype(np.int64))
    wanted = shared.take(pa.array(places))
    return _lists(first.recommendations, wanted), _lists(other.recommendations, wanted)


def _lists(files: Sequence[Path], queries: pa.ChunkedArray) -> _Lists:
    is_wanted = ds.field("query_id").isin(queries.combine_chunks())
    rows = _parquet(files).to_table(columns=["query_id", "candidate_ids"], filter=is_wanted)
    answers = (answer[:_K] for answer in rows["candidate_ids"].to_pylist())
    return dict(zip(rows["query_id"].to_pylist(), answers, strict=True))


def _parquet(files: Sequence[Path]) -> ds.Dataset:
    return ds.dataset([str(file) for file in files], format="parquet")


def _marked(query: str, runs: Sequence[Compared], lists: Sequence[_Lists]) -> Iterator[tuple[Answer, ...]]:
    shared = set.intersection(*(set(of[query]) for of in lists))
    for run, of in zip(runs, lists, strict=True):
        yield tuple(Answer(run.titles.of(candidate), candidate in shared) for candidate in of[query])
