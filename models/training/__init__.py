"""The training loop: batches, steps, validation, optimisers, distribution."""
