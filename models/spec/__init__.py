"""Specifications and configuration, free of TensorFlow."""
