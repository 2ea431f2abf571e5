"""ScannIndexer: embeds the catalogue, indexes it, measures the index, and exports the serving models."""

from components.scann_indexer.component import ScannIndexer
from components.scann_indexer.params import Auto, IndexConfig, RecallTarget, ScannIndexerParams

__all__ = ["Auto", "IndexConfig", "RecallTarget", "ScannIndexer", "ScannIndexerParams"]
