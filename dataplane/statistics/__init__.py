"""What statistics, schema and validation are made of: mergeable accumulators, reports, tensorflow-metadata protos."""
