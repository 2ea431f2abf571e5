"""Applies the towers to encoded queries and candidates, in slices on Beam.

The encoded columns are written to a scratch directory. Workers memory-map them, embed slices of rows and write one file
per slice. The files are then concatenated in order, so the result does not depend on the runner or its workers.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import apache_beam as beam
import numpy as np

from dataplane.artifacts import Model
from dataplane.context import ExecutionContext
from dataplane.dataset.sequences import Dataset, Events
from dataplane.watching import watched
from models.events.history import PADDING, windows_before

_SLICE = 8192
_ROWS = 512
"""Rows embedded at a time, because the memory of self-attention grows with the square of the history length."""


def candidate_embeddings(
    model: Model, dataset: Dataset, context: ExecutionContext, *, rows: np.ndarray | None = None
) -> np.ndarray:
    """Embeddings of candidates, float32 `[rows, dim]`.

    Args:
        model: its `towers/` are applied.
        dataset: holds the encoded candidates.
        context: gives the Beam runner and a scratch directory.
        rows: rows of the candidates; all of them in order if absent.
    """
    columns = dataset.candidates.columns
    if rows is not None:
        columns = {name: values[rows] for name, values in columns.items()}
    return _embed(model, "embed_candidate", columns, context)


def query_columns(
    dataset: Dataset,
    *,
    query_rows: np.ndarray,
    history: Events,
    history_length: int | None,
    contexts: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Inputs of the query tower for queries at the end of a given history, each `[len(query_rows), width]`.

    Args:
        dataset: holds the encoded queries.
        query_rows: rows of the queries, int64.
        history: events that the tower may read, such as `dataset.events.select(["train"])`.
        history_length: number of latest events it reads, `features.history.max_length`; None if it has no history.
        contexts: encoded context columns; row `i` belongs to `query_rows[i]` (see `first_contexts`).
    """
    columns = {name: values[query_rows] for name, values in dataset.queries.columns.items()} | dict(contexts)
    if history_length is not None:
        columns["history"] = history_tokens(dataset, query_rows=query_rows, history=history, length=history_length)
    return columns


def embed_queries(model: Model, columns: Mapping[str, np.ndarray], context: ExecutionContext) -> np.ndarray:
    """Embeddings of queries from the result of `query_columns`, float32 `[queries, dim]`."""
    return _embed(model, "embed_query", columns, context)


def history_tokens(dataset: Dataset, *, query_rows: np.ndarray, history: Events, length: int) -> np.ndarray:
    """Tokens of each query's last `length` events, most recent first, 0-padded, int32 `[len(query_rows), length]`."""
    starts, ends = history.offsets[query_rows], history.offsets[query_rows + 1]
    windows = windows_before(history.candidate, starts, ends, length)
    tokens = dataset.candidates.columns["candidate_id"][:, 0]
    filled = windows != PADDING
    return np.where(filled, tokens[np.where(filled, windows, 0)], 0).astype(np.int32)


def first_contexts(events: Events, query_rows: np.ndarray) -> dict[str, np.ndarray]:
    """Encoded context of each query's first event in `events`, by column, each `[len(query_rows), width]`.

    Raises:
        ValueError: a query has no event.
    """
    starts, ends = events.offsets[query_rows], events.offsets[query_rows + 1]
    if (starts == ends).any():
        raise ValueError(f"query row {query_rows[np.argmax(starts == ends)]} has no event to take a context from")
    return {name: np.asarray(values[starts]) for name, values in events.context.items()}


def _embed(
    model: Model,
    function: Literal["embed_query", "embed_candidate"],
    columns: Mapping[str, np.ndarray],
    context: ExecutionContext,
) -> np.ndarray:
    rows = len(next(iter(columns.values())))
    if rows == 0:
        raise ValueError(f"{function}: there are no rows to embed")
    slices = [(start, min(start + _SLICE, rows)) for start in range(0, rows, _SLICE)]
    with context.scratch_directory() as scratch:
        for name, values in columns.items():
            np.save(scratch / f"input.{name}.npy", values, allow_pickle=False)
        parts = {_slice_file(scratch, start): stop - start for start, stop in slices}
        with watched(context.progress, parts, "rows"), context.beam.pipeline() as pipeline:
            worker = _EmbedSlice(str(model.path / "towers"), function, tuple(columns), str(scratch))
            _ = pipeline | beam.Create(slices) | beam.Reshuffle() | beam.ParDo(worker)
        return np.concatenate([np.load(_slice_file(scratch, start)) for start, _ in slices])


class _EmbedSlice(beam.DoFn):
    """Embeds rows `start:stop` of the columns in a directory and writes them to a file in the same directory."""

    def __init__(self, towers: str, function: str, columns: tuple[str, ...], directory: str) -> None:
        self._towers = towers
        self._function = function
        self._columns = columns
        self._directory = Path(directory)
        self._embed: Any = None
        self._inputs: dict[str, np.ndarray] = {}

    def setup(self) -> None:
        import tensorflow as tf

        self._loaded = tf.saved_model.load(self._towers)  # kept, because its functions do not keep its variables alive
        self._embed = getattr(self._loaded, self._function)
        self._inputs = {name: np.load(self._directory / f"input.{name}.npy", mmap_mode="r") for name in self._columns}

    def process(self, element: tuple[int, int]) -> Iterator[int]:
        start, stop = element
        embedded = [
            self._embed(
                {name: np.asarray(values[row : min(row + _ROWS, stop)]) for name, values in self._inputs.items()}
            )
            for row in range(start, stop, _ROWS)
        ]
        np.save(_slice_file(self._directory, start), np.concatenate(embedded), allow_pickle=False)
        yield stop - start


def _slice_file(directory: Path, start: int) -> Path:
    return directory / f"output.{start:012d}.npy"
