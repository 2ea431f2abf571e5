"""What configures EmbeddingExporter."""

from pydantic import model_validator

from components.base import Params


class EmbeddingExporterParams(Params):
    """What is exported; section `embeddings`."""

    candidates: bool = True
    """Whether the candidates are: exactly the vectors that the serving model searches."""
    queries: bool = True
    """Whether the queries are, after all of their events, context features missing."""

    @model_validator(mode="after")
    def _something_is_exported(self) -> "EmbeddingExporterParams":
        if not self.candidates and not self.queries:
            raise ValueError("'candidates' and 'queries' are both false; leave the section out to export nothing")
        return self
