"""Specifications and configuration. Nothing here imports TensorFlow."""
