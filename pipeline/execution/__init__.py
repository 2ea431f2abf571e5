"""How the chain runs: records, cache keys, progress and the summary."""
