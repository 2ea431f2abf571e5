"""The model: features, preprocessing, towers, losses, metrics and index.

Importing this package does not import TensorFlow. It selects Keras 2, which TensorFlow Recommenders requires; the
variable must be set before TensorFlow is first imported.
"""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # silences warnings about absent GPUs
