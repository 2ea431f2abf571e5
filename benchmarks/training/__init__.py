"""Training steps, time to quality and evaluation beside others: `python -m benchmarks.training`."""
