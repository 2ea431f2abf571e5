"""The data steps beside polars and per-element Beam: `python -m benchmarks.data_plane`."""
