"""Preprocessing of raw features to integers and floats, as a TensorFlow graph used in training and serving."""
