"""What the benchmarks share: options, goals, tables, processes that are measured, and runs of the pipeline."""
