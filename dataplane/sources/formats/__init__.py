"""A file a format: how its rows become Arrow batches."""
