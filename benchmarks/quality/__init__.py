"""How well the configurations retrieve, beside others: `python -m benchmarks.quality`."""
