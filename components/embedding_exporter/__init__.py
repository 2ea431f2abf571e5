"""EmbeddingExporter: writes the embeddings of both towers as Parquet, for vector databases and for analysis."""

from components.embedding_exporter.component import EmbeddingExporter
from components.embedding_exporter.params import EmbeddingExporterParams

__all__ = ["EmbeddingExporter", "EmbeddingExporterParams"]
