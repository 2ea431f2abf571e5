"""`spec.json` of a TransformGraph: the encoded columns, as `models.spec.features` describes them."""

from dataplane.artifacts import TransformGraph
from dataplane.artifacts.document import read_model
from models.spec.features import EncodedSpec

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
