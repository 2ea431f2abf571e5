"""`spec.json` of a TransformGraph: the encoded columns, as `models.spec.features` describes them."""

import numpy as np
import pyarrow.parquet as pq

from dataplane.artifacts import TransformGraph
from dataplane.artifacts.document import read_model
from models.spec.features import EncodedSpec, Side

_FILE = "spec.json"


def read_spec(graph: TransformGraph) -> EncodedSpec:
    """Reads the encoded columns.

    Raises:
        UnreadableDocumentError: the file is missing or does not fit the model.
    """
    return read_model(graph.path / _FILE, EncodedSpec)


def write_spec(graph: TransformGraph, spec: EncodedSpec) -> None:
    """Writes the encoded columns, including settings with default values."""
    graph.write_json(_FILE, spec.model_dump(mode="json"))


def read_values(graph: TransformGraph, side: Side, column: str) -> np.ndarray:
    """The values of a column's vocabulary in the order of their tokens, object `[tokens]`.

    Raises:
        OSError: the file is missing or cannot be read.
    """
    file = graph.path / "vocabularies" / f"{side}.{column}.parquet"
    values: np.ndarray = pq.read_table(file, columns=["value"])["value"].to_numpy()
    return values
