"""Measures the served model on the same test events as the new model.

The exact SavedModel of the served model embeds the catalogue and the queries from raw features and the frozen history,
as in service. It treats values that it has not seen as unknown. The rankings and metrics are those of the evaluation.
Context features are missing for both models, because they are not stored with the queries.
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
    """An exact serving model with its description.

    Attributes:
        directory: directory of the SavedModel.
        description: see `read_description`.
    """

    directory: Path
    description: ModelDescription

    @classmethod
    def read(cls, directory: Path) -> "PublishedModel":
        """Reads the model in a version's directory.

        Raises:
            RunError: the directory does not hold a model of this pipeline.
        """
        return cls(directory, read_description(directory))

    def comparable(self, task: RetrievalTask, dataset: Dataset) -> tuple[np.ndarray, str]:
        """Finds the queries of a task whose test events the model cannot have been trained on.

        These are all queries if both models split the data in the same way. A model fitted to all events, or with
        another split, may know any event up to the last one of its data. Then only queries whose test events are all
        later can be compared.

        Returns:
            Which queries can be compared, bool `[queries of the task]`, and the reason if there is none, else "".
        """
        none = np.zeros(len(task.query_rows), bool)
        fitted_to = self.description.data
        if fitted_to is None:
            return none, "its description does not say which events it was fitted to"
        metadata = dataset.metadata
        if same_split(fitted_to, metadata) and not fitted_to.final:
            return ~none, ""
        timestamps = task.held_out.timestamp
        if fitted_to.until is None or timestamps is None:
            return none, "it was fitted to other events, and without timestamps new events cannot be recognised"
        until = datetime.fromisoformat(fitted_to.until).timestamp() * 1e6
        first = task.held_out.offsets[task.query_rows]  # events of a query are in order of time
        later: np.ndarray = timestamps[first] > until
        reason = f"no query has all its test events after {fitted_to.until}, the last event it was fitted to"
        return later, "" if later.any() else reason

    def scorer(self, examples: Examples, dataset: Dataset, task: RetrievalTask) -> EmbeddingScorer:
        """Embeds the current catalogue and the queries of a task, and makes their scorer.

        Raises:
            ValueError: an embedding is not finite.
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


def same_split(fitted_to: FittedTo, metadata: DatasetMetadata) -> bool:
    """Whether two models split their events in the same way.

    Args:
        fitted_to: split of one model.
        metadata: split of the other model. Seeds are compared only if events are chosen by hash.
    """
    if fitted_to.split != metadata.split:
        return False
    return metadata.split_method in ("leave_last_n", "time") or fitted_to.seed == metadata.seed


def _table(examples: Examples, table: str, id_column: str, ids: pa.Array, features: Mapping[str, Feature]) -> pa.Table:
    """Feature columns of an ingested table in the order of `ids`; null for ids that the table lacks."""
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
    """Raw inputs of features; a column that the data no longer have is missing in every row."""
    for column in {feature.column or name for name, feature in features.items()} - set(table.column_names):
        table = table.append_column(column, pa.nulls(len(table)))
    return raw_features(features, table)


def _missing(features: Mapping[str, Feature], rows: int) -> dict[str, np.ndarray]:
    return _raw(features, pa.table({"row": np.arange(rows)}))


def _history(history: Events, dataset: Dataset, query_rows: np.ndarray, length: int) -> np.ndarray:
    """Ids of each query's last events, oldest first, padded with "" in front, `[len(query_rows), length]`."""
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
