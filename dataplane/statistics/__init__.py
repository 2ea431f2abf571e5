"""Statistics, schema and validation: mergeable accumulators, reports and tensorflow-metadata protos."""
