"""Where examples come from: one module per format, and what they share to make clean Parquet of it."""
