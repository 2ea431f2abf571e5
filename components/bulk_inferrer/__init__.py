"""BulkInferrer: the best candidates of every query, as Parquet."""

from components.bulk_inferrer.component import BulkInferrer
from components.bulk_inferrer.params import BulkInferrerConfig, BulkInferrerParams

__all__ = ["BulkInferrer", "BulkInferrerConfig", "BulkInferrerParams"]
