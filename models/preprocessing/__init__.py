"""The one preprocessing: raw features to integers and floats, as a TensorFlow graph."""
