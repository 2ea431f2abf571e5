"""EmbeddingExporter: what both towers make of the data, as Parquet, for vector databases and for looking at it."""

from components.embedding_exporter.component import EmbeddingExporter
from components.embedding_exporter.params import EmbeddingExporterParams

__all__ = ["EmbeddingExporter", "EmbeddingExporterParams"]
