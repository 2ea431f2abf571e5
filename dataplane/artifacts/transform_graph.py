"""`spec.json` of a TransformGraph: the encoded columns, as `models.spec.features` describes them."""

from dataplane.artifacts import TransformGraph
from dataplane.artifacts.document import read_model
from models.spec.features import EncodedSpec

_FILE = "spec.json"


def read_spec(graph: TransformGraph) -> EncodedSpec:
    """The encoded columns.

    Raises:
        UnreadableDocumentError: the file is missing, or not of this shape.
    """
    return read_model(graph.path / _FILE, EncodedSpec)


def write_spec(graph: TransformGraph, spec: EncodedSpec) -> None:
    """Writes the encoded columns, settings that are left at their defaults included."""
    graph.write_json(_FILE, spec.model_dump(mode="json"))
