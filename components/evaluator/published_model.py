"""The model in service, measured on the same test events as the one that is to take its place.

Its exact SavedModel embeds the whole catalogue and the queries from raw features and the frozen history, as it would
in service: what it has never seen, it treats as unknown. Rankings and metrics are those of the evaluation. Context
features are missing, for both models, since they are not kept with the queries.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import tensorflow as tf

from dataplane.artifacts import Examples
from dataplane.artifacts.transformed_examples import DatasetMetadata
from dataplane.columns.raw_features import raw_features
from dataplane.dataset.retrieval_task import RetrievalTask
from dataplane.dataset.sequences import Dataset, Events
from dataplane.shards import shards_of
from models.events.history import PADDING, windows_before
from models.ranking.ranking import EmbeddingScorer
from models.spec.features import CANDIDATE_ID, HISTORY, QUERY_ID, Feature
from serving.model.descriptions import FittedTo, ModelDescription, read_description

_BATCH = 8192


@dataclass(frozen=True)
class PublishedModel:
    """An exact serving model and what it tells about itself.

    Attributes:
        directory: its SavedModel.
        description: see `read_description`.
    """

    directory: Path
    description: ModelDescription

    @classmethod
    def read(cls, directory: Path) -> "PublishedModel":
        """The model in a version's directory.

        Raises:
            RunError: it is not a model of this pipeline.
        """
        return cls(directory, read_description(directory))

    def comparable(self, task: RetrievalTask, dataset: Dataset) -> tuple[np.ndarray, str]:
        """Which queries of a task it cannot have learnt the answers to.

        These are all if its data were divided in the same way. A model fitted to all events, or to another split, may
        know any event up to the end of its data, so of that only queries whose truth is younger are left.

        Returns:
            bool `[queries of the task]`, and why none is left, or "".
        """
        nothing = np.zeros(len(task.query_rows), bool)
        told = self.description.data
        if told is None:
            return nothing, "it does not tell which events it was fitted to"
        metadata = dataset.metadata
        if divided_alike(told, metadata) and not told.final:
            return ~nothing, ""
        timestamps = task.held_out.timestamp
        if told.until is None or timestamps is None:
            return nothing, "it was fitted to other events, and without times these cannot be told from new ones"
        until = datetime.fromisoformat(told.until).timestamp() * 1e6
        first = task.held_out.offsets[task.query_rows]  # events of a query are in order of time
        younger: np.ndarray = timestamps[first] > until
        return younger, "" if younger.any() else f"no query has all its test events after {told.until}, its last one"

    def scorer(self, examples: Examples, dataset: Dataset, task: RetrievalTask) -> EmbeddingScorer:
        """Ranks the current catalogue for the queries of a task.

        Raises:
            ValueError: its embeddings are not finite.
        """
        model = tf.saved_model.load(str(self.directory))
        features = self.description.feature_spec()
        query_ids = dataset.queries.ids.take(pa.array(task.query_rows))
        queries = _table(examples, "queries", QUERY_ID, query_ids, features.of("query"))
        candidates = _table(examples, "candidates", CANDIDATE_ID, dataset.candidates.ids, features.of("candidate"))
        inputs = _raw(features.of("query"), queries) | _missing(features.of("context"), len(queries))
        if features.history is not None:
            inputs[HISTORY] = _history(task.history, dataset, task.query_rows, features.history.max_length)
        return EmbeddingScorer(
            _embed(model.signatures["embed_query"], inputs),
            _embed(model.signatures["embed_candidate"], _raw(features.of("candidate"), candidates)),
        )


def divided_alike(told: FittedTo, metadata: DatasetMetadata) -> bool:
    """Whether the events of two models were split in the same way.

    Args:
        told: the events of the one.
        metadata: of the other; the seed counts only where events are chosen by hash.
    """
    if told.split != metadata.split:
        return False
    return metadata.split_method in ("leave_last_n", "time") or told.seed == metadata.seed


def _table(examples: Examples, table: str, id_column: str, ids: pa.Array, features: Mapping[str, Feature]) -> pa.Table:
    """The features' columns of an ingested table in the order of `ids`, nulls where it has none."""
    wanted = pa.table({id_column: ids.cast(pa.string())})
    directory = examples.path / table
    if not directory.is_dir():
        return wanted
    files = ds.dataset([str(file) for file in shards_of(directory)], format="parquet")
    columns = {feature.column or name for name, feature in features.items()} & set(files.schema.names) - {id_column}
    rows_of = files.to_table(columns=[id_column, *sorted(columns)])
    known = rows_of[id_column].cast(pa.string()).combine_chunks()
    rows = pa.compute.index_in(wanted[id_column], known).combine_chunks()
    for name in sorted(columns):
        wanted = wanted.append_column(name, rows_of[name].take(rows))
    return wanted


def _raw(features: Mapping[str, Feature], table: pa.Table) -> dict[str, np.ndarray]:
    """Raw inputs; a column that the data do not have any more is missing in every row."""
    for column in {feature.column or name for name, feature in features.items()} - set(table.column_names):
        table = table.append_column(column, pa.nulls(len(table)))
    return raw_features(features, table)


def _missing(features: Mapping[str, Feature], rows: int) -> dict[str, np.ndarray]:
    return _raw(features, pa.table({"row": np.arange(rows)}))


def _history(history: Events, dataset: Dataset, query_rows: np.ndarray, length: int) -> np.ndarray:
    """Ids of each query's last events, oldest first, padded in front with "": `[len(query_rows), length]`."""
    starts, ends = history.offsets[query_rows], history.offsets[query_rows + 1]
    windows = windows_before(history.candidate, starts, ends, length)[:, ::-1]
    ids = dataset.candidates.ids.to_numpy(zero_copy_only=False)
    return np.where(windows == PADDING, "", ids[np.maximum(windows, 0)])


def _embed(signature: Callable[..., Any], inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    rows = len(next(iter(inputs.values())))
    return np.concatenate([signature(**batch)["embedding"].numpy() for batch in _batches(inputs, rows)])


def _batches(inputs: Mapping[str, np.ndarray], rows: int) -> Iterator[dict[str, tf.Tensor]]:
    for start in range(0, rows, _BATCH):
        yield {name: tf.constant(values[start : start + _BATCH]) for name, values in inputs.items()}
