"""Describes what the model recommends: how popular it is, examples by query, and a map of the candidates."""

import numpy as np
import pyarrow as pa

from components.evaluator.measuring import Measured
from dataplane.artifacts.answers import Answers, Band, CandidateMap, ExampleQuery, Favourite, Place, Wanted
from dataplane.dataset.retrieval_task import RetrievalTask
from dataplane.dataset.sequences import Dataset
from models.events.history import PADDING

_BANDS = 10
_FAVOURITES = 20
_PLACES = 2000
_EXAMPLES = 12
_SHOWN = 10
"""Candidates of a history, and relevant ones, that an example lists."""


def describe_answers(
    measured: Measured, task: RetrievalTask, dataset: Dataset, candidates: np.ndarray, *, depth: int, seed: int
) -> Answers:
    """Describes the rankings of one task.

    Args:
        measured: rankings of the task's queries.
        task: queries and their relevant candidates.
        dataset: ids and popularity of the candidates.
        candidates: embeddings of the whole catalogue, float32 `[candidates, dim]`.
        depth: greatest rank that is known.
        seed: seed of the examples and of the sample on the map.
    """
    filled = measured.top[measured.top != PADDING]
    times = np.bincount(filled, minlength=len(candidates))
    best = np.argsort(-times, kind="stable")[: min(_FAVOURITES, int((times > 0).sum()))]
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(task.query_rows))[:_EXAMPLES])
    sample = np.sort(rng.permutation(len(candidates))[:_PLACES])
    return Answers(
        k=measured.top.shape[1],
        queries=len(task.query_rows),
        recommended=int((times > 0).sum()),
        bands=_bands(times, dataset.train_count),
        favourites=tuple(
            Favourite(candidate_id=name, answers=int(times[row]))
            for name, row in zip(_ids(dataset, best), best, strict=True)
        ),
        map=_map(candidates[sample], _ids(dataset, sample)),
        examples=tuple(_example(int(query), measured, task, dataset, depth) for query in chosen),
    )


def _bands(times: np.ndarray, training_events: np.ndarray) -> tuple[Band, ...]:
    by_popularity = np.argsort(-training_events, kind="stable")
    return tuple(
        Band(candidates=len(rows), training_events=int(training_events[rows].sum()), answers=int(times[rows].sum()))
        for rows in np.array_split(by_popularity, _BANDS)
        if len(rows)
    )


def _map(embeddings: np.ndarray, ids: list[str]) -> CandidateMap:
    """Projects embeddings onto their principal components.

    Coordinates are rounded: sums of products end in other digits where the work is divided differently.
    """
    centred = embeddings.astype(np.float64) - embeddings.mean(axis=0, dtype=np.float64)
    variances, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :2]
    axes *= np.where(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] < 0, -1, 1)  # else the sign is chance
    places = np.zeros((len(ids), 2))
    places[:, : axes.shape[1]] = centred @ axes
    shares = np.zeros(2)
    shares[: axes.shape[1]] = variances[::-1][:2] / max(float(variances.sum()), np.finfo(np.float64).tiny)
    x_share, y_share = (round(abs(float(share)), 4) for share in shares)
    return CandidateMap(
        explained=(x_share, y_share),
        places=tuple(
            Place(candidate_id=name, x=round(float(x), 4), y=round(float(y), 4))
            for name, (x, y) in zip(ids, places, strict=True)
        ),
    )


def _example(query: int, measured: Measured, task: RetrievalTask, dataset: Dataset, depth: int) -> ExampleQuery:
    row = int(task.query_rows[query])
    start, end = task.history.offsets[row : row + 2]
    latest = task.history.candidate[max(start, end - _SHOWN) : end][::-1]
    first, last = task.relevant.offsets[query : query + 2]
    best_first = first + np.argsort(measured.ranks[first:last], kind="stable")[:_SHOWN]
    answers = measured.top[query]
    wanted = zip(_ids(dataset, task.relevant.rows[best_first]), measured.ranks[best_first].tolist(), strict=True)
    return ExampleQuery(
        query_id=dataset.queries.ids[row].as_py(),
        history=tuple(_ids(dataset, latest)),
        answers=tuple(_ids(dataset, answers[answers != PADDING])),
        wanted=tuple(Wanted(candidate_id=name, rank=rank if rank <= depth else None) for name, rank in wanted),
    )


def _ids(dataset: Dataset, rows: np.ndarray) -> list[str]:
    names: list[str] = dataset.candidates.ids.take(pa.array(rows, pa.int64())).to_pylist()
    return names
