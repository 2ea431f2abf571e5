"""The model: features, preprocessing, towers, losses, metrics, index.

Importing this package is free of TensorFlow. It also chooses Keras 2, which TensorFlow Recommenders needs and
which has to be said before TensorFlow is first imported.
"""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # above all, no complaints about absent GPUs
