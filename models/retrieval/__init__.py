"""Exact and approximate search over candidate embeddings, and the serving model around it."""
