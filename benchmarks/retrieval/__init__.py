"""The index beside other libraries, and the served model: `python -m benchmarks.retrieval`."""
