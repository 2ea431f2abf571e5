"""Parameters of EmbeddingExporter."""

from pydantic import model_validator

from components.base import Params


class EmbeddingExporterParams(Params):
    """Export of embeddings: section `embeddings`."""

    candidates: bool = True
    """Exports the candidate embeddings, which are exactly the vectors that the serving model searches."""
    queries: bool = True
    """Exports the query embeddings, given all events of a query. Context features are missing values."""

    @model_validator(mode="after")
    def _something_is_exported(self) -> "EmbeddingExporterParams":
        if not self.candidates and not self.queries:
            raise ValueError("'candidates' and 'queries' are both false; remove section embeddings to export nothing")
        return self
