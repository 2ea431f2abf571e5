"""Serves published models by TensorFlow Serving's REST API, with batching and hot swap."""
