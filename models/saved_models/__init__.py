"""Digests and embeddings of exported SavedModels, read without running them."""
