"""SavedModels of ours: what they compute, and what can be read from them without running them."""
