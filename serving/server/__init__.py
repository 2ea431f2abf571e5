"""TensorFlow Serving's REST API over published models: batching and hot swap."""
