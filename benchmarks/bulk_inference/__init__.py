"""BulkInferrer beside the bare index: `python -m benchmarks.bulk_inference`."""
