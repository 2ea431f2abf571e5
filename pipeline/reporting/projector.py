"""Writes the candidates' embeddings, with their titles, for the projector of TensorBoard.

ROOT/PIPELINE/tensorboard/candidates/ has the candidates of the newest indexed model. TensorBoard finds the directory
below `--logdir ROOT/PIPELINE`, beside the learning curves of all trainings.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataplane.artifacts import Catalogue, ServingModel, TransformedExamples
from pipeline.config.settings import display_column
from pipeline.execution.metadata import Execution, Run, Store
from pipeline.reporting.titles import titles_of

MOST = 10_000
"""Most candidates that are written: those with the most training events. A browser shows no more at once."""
_INDEXERS = {"ScannIndexer": "ExampleGen", "RefreshScannIndexer": "CatalogueGen"}
"""Nodes that index, each with the node that has the raw candidate table."""
_CONFIG = """embeddings {{
  tensor_name: "candidates"
  tensor_path: "tensors.tsv"
  tensor_shape: {rows}
  tensor_shape: {dimension}
  metadata_path: "metadata.tsv"
}}
"""


@dataclass(frozen=True)
class Points:
    """Candidates to show.

    Attributes:
        ids: ids of the candidates.
        vectors: their embeddings, float32 `[candidates, dim]`.
        titles: titles by candidate id; candidates without a title are missing.
    """

    ids: Sequence[str]
    vectors: np.ndarray
    titles: Mapping[str, str]


def projector_directory(store: Store) -> Path:
    """Where a pipeline has the files of the projector."""
    return store.directory / "tensorboard" / "candidates"


def write_projector(store: Store, run: Run) -> Path | None:
    """Writes the candidates of the model that a run indexed; returns their directory, or None if it indexed none.

    Raises:
        OSError: a file cannot be read or written.
        PipelineError: an artifact is damaged or missing.
    """
    step = next((step for step in run.steps if step.node in _INDEXERS and step.state == "run"), None)
    indexer = store.execution(step.node, step.execution) if step else None
    if indexer is None or "transformed_examples" not in indexer.inputs:
        return None
    directory, scratch = projector_directory(store), store.directory / ".tensorboard"
    shutil.rmtree(scratch, ignore_errors=True)  # of a process that was killed
    scratch.mkdir()
    write_points(scratch, _points(store, run, indexer))
    shutil.rmtree(directory, ignore_errors=True)
    directory.parent.mkdir(exist_ok=True)
    scratch.rename(directory)
    return directory


def write_points(directory: Path, points: Points) -> None:
    """Writes candidates into an empty directory, as TensorBoard reads them."""
    import tensorflow as tf

    with (directory / "tensors.tsv").open("w", encoding="utf-8") as file:
        np.savetxt(file, points.vectors, fmt="%.6g", delimiter="\t")
    header = ["id\ttitle"] if points.titles else []  # a table of one column has none
    rows = [_row(name, points.titles) for name in points.ids]
    (directory / "metadata.tsv").write_text("\n".join([*header, *rows, ""]), encoding="utf-8")
    config = _CONFIG.format(rows=len(points.ids), dimension=points.vectors.shape[1])
    (directory / "projector_config.pbtxt").write_text(config, encoding="utf-8")
    with tf.summary.create_file_writer(str(directory)).as_default(step=0):  # a directory without events is not listed
        tf.summary.scalar("candidates", len(points.ids))


def _row(name: str, titles: Mapping[str, str]) -> str:
    cells = [name, titles.get(name, name)] if titles else [name]
    return "\t".join(" ".join(cell.split()) or "-" for cell in cells)


def _points(store: Store, run: Run, indexer: Execution) -> Points:
    from dataplane.dataset.sequences import read_dataset
    from serving.model.served_catalogue import ServedCatalogue

    dataset = read_dataset(TransformedExamples(store.input(indexer, "transformed_examples")))
    catalogue = Catalogue(store.input(indexer, "catalogue")) if "catalogue" in indexer.inputs else None
    served = ServedCatalogue.of(dataset, catalogue)
    vectors = served.exported_embeddings(ServingModel(store.output(indexer, "serving_model")))
    counts = np.asarray(dataset.train_count) if catalogue is None else np.zeros(len(vectors))
    shown = np.sort(np.argsort(-counts, kind="stable")[:MOST])
    ids = served.candidates.ids.take(shown).to_pylist()
    reader = next(step for step in run.steps if step.node == _INDEXERS[indexer.node])
    table = store.execution_directory(reader.node, reader.execution) / "examples" / "candidates"
    return Points(ids, vectors[shown], titles_of(table, ids, display_column(run.settings)))
