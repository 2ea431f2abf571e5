"""The negatives of a training step, and how often each candidate is drawn."""
