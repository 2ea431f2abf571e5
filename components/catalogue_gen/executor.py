"""Reads a new candidate table and encodes it into a catalogue."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.base import ExecutionContext
from dataplane.artifacts import Catalogue, Examples, TransformedExamples, TransformGraph
from dataplane.artifacts.catalogue import CatalogueChanges
from dataplane.artifacts.transform_graph import read_spec
from dataplane.columns.distinct import distinct_ids
from dataplane.dataset.encoding import encode_catalogue
from dataplane.dataset.sequences import read_ids, write_ids
from dataplane.errors import DataError, RefusedError
from dataplane.shards import shards_of
from dataplane.sources.files import Snapshot
from dataplane.sources.ingestion.tables import ingest
from models.spec.features import CANDIDATE_ID, EncodedSpec

if TYPE_CHECKING:
    from components.catalogue_gen.params import CatalogueGenParams


def make_catalogue(
    *,
    params: "CatalogueGenParams",
    files: Snapshot,
    transformed_examples: TransformedExamples,
    transform_graph: TransformGraph,
    examples: Examples,
    catalogue: Catalogue,
    context: ExecutionContext,
) -> dict[str, Any]:
    """Writes both outputs.

    Returns:
        The facts of ExampleGen, and the numbers of all, new and removed candidates.

    Raises:
        DataError: the table cannot be used, or lacks a column that the model reads.
        RefusedError: too many of the model's candidates are missing from the table.
    """
    spec = read_spec(transform_graph)
    read = ingest(
        params.tables(),
        files,
        base_dir=params.base_dir,
        max_bad_fraction=params.max_bad_fraction,
        output=examples,
        context=context,
    )
    shards = shards_of(examples.path / "candidates")
    _check_columns(shards, spec)
    ids = distinct_ids(*(pq.read_table(file, columns=[CANDIDATE_ID])[CANDIDATE_ID] for file in shards))
    changes = _changes(ids, read_ids(transformed_examples.path / "candidates"), params)
    directory = catalogue.path / "candidates"
    write_ids(directory, ids)
    context.progress(f"encoding {len(ids):,} candidates")
    encode_catalogue(
        runner=context.beam,
        saved_model=transform_graph.path / "saved_model",
        spec=spec,
        files=shards,
        directory=directory,
    )
    changes.write(catalogue)
    return {**read, "candidates": changes.candidates, "added": changes.added, "removed": changes.removed}


def _check_columns(files: list[Path], spec: EncodedSpec) -> None:
    present = pq.read_schema(files[0]).names
    for name, column in spec.features.columns("candidate").items():
        if column not in present:
            raise DataError(
                f"candidates has no column '{column}', but feature '{name}' of the published model reads it; the "
                f"columns are {', '.join(present)}. To use other features, train a new model: run the pipeline"
            )


def _changes(ids: pa.Array, known: pa.Array, params: "CatalogueGenParams") -> CatalogueChanges:
    kept = int(pc.sum(pc.is_in(ids, value_set=known)).as_py())
    removed = len(known) - kept
    if removed > params.max_removed_fraction * len(known):
        raise RefusedError(
            f"{removed:,} of the published model's {len(known):,} candidates are missing from the new table of "
            f"{len(ids):,}, more than refresh.max_removed_fraction ({params.max_removed_fraction:g}) allows; is the "
            "table complete?"
        )
    return CatalogueChanges(candidates=len(ids), added=len(ids) - kept, removed=removed, refresh_of=params.refresh_of)
