"""Trains on two replicas in a separate process, because devices and machines can be set up only once per process.

    python -m tests.models.replicas {mirrored|multi_worker} DIRECTORY [validations until it is killed]

Writes the losses and weights of every one of the `SETTINGS` as `DIRECTORY/<name>-<worker>.npz`.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from models.training.distribution import build_strategy
from tests.models.training.test_training import Killed, fit
from tests.models.training.test_two_tower import chains

SETTINGS: dict[str, dict[str, Any]] = {
    "mixed": {"loss": "in_batch_softmax", "negatives": {"type": "mixed", "n": 9}},
    "sampled": {"loss": "gbce", "negatives": {"type": "popularity", "n": 9}},
    "sequences": {
        "loss": "full_softmax",
        "encoder": {"type": "self_attention", "dropout": 0},
        "examples": "sequences",
    },
}
WORKERS = "mixed"
"""The case that several workers train."""


def train(kind: str, name: str, directory: Path, killed_after: int | None = None) -> dict[str, np.ndarray]:
    """Losses, validation metrics and weights after two epochs without dropout, with weighted events."""
    data = replace(chains(), weight=np.linspace(0, 2, len(chains()), dtype=np.float32))
    settings = {"optimizer": "adagrad", "learning_rate": 0.1, "dropout": 0.0, **SETTINGS[name]}
    model, found = fit(directory, settings, killed_after, data, build_strategy(kind))
    return {
        "loss": np.array([entry["loss"] for entry in found.curve]),
        "ndcg": np.array([entry["ndcg@10"] for entry in found.curve]),
        **{f"weights{i}": variable.numpy() for i, variable in enumerate(model.trainable_variables)},
    }


def main(kind: str, directory: Path, killed_after: int | None) -> None:
    """Trains all cases of a kind of distribution."""
    if kind == "mirrored":
        processor = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
    worker = json.loads(os.environ.get("TF_CONFIG", '{"task": {"index": 0}}'))["task"]["index"]
    for name in SETTINGS if kind == "mirrored" else [WORKERS]:
        try:
            result = train(kind, name, directory / f"{name}-{worker}", killed_after)
        except Killed:
            continue
        np.savez(directory / f"{name}-{worker}.npz", allow_pickle=False, **result)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else None)
