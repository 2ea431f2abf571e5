"""A published model held in this process, replaced by the next version once that is warm."""

import importlib
import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from components.errors import ConfigError, RunError
from components.serving.descriptions import read_description, signature_inputs
from components.serving.requests import Request, as_batch
from components.serving.warm_up import read_warm_up

_LOG = logging.getLogger(__name__)
_MOST_VALUES = 1_000_000  # of one input after padding


class LoadedModel:
    """One version, loaded and warm.

    Attributes:
        version: its number.
        signatures: inputs of each signature by name, as the model describes them.
    """

    def __init__(self, path: Path) -> None:
        """Loads a version and answers its warm-up requests.

        Raises:
            RunError: it cannot be loaded.
        """
        self.version = int(path.name)
        description = read_description(path)
        self.signatures = {name: signature_inputs(description, name) for name in description.get("signatures", {})}
        for module in description["imports"]:
            importlib.import_module(module)
        try:
            self._model = tf.saved_model.load(str(path))
            for signature, inputs in read_warm_up(path):
                self._model.signatures[signature](**inputs)
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise RunError(f"{path} cannot be loaded: {error}") from error

    def predict(self, signature: str, requests: Sequence[Request]) -> dict[str, list[Any]]:
        """Outputs of a signature by name, rows as JSON values.

        Args:
            signature: one of `signatures`.
            requests: completed requests, at least one.

        Raises:
            ConfigError: lists are so long that the batch, padded to the longest, is too large, a string is not Unicode,
                or numbers are so large that scores are not finite.
        """
        specs = self.signatures[signature]
        for name, spec in specs.items():
            if len(spec["shape"]) == 2 and len(requests) * max(len(row[name]) for row in requests) > _MOST_VALUES:
                raise ConfigError(
                    f"request: '{name}' has too long lists for a batch of {len(requests)}; send fewer rows"
                )
        batch = as_batch(specs, requests)
        try:
            tensors = {name: tf.constant(batch[name], spec["dtype"]) for name, spec in specs.items()}
        except ValueError:
            raise ConfigError("request: holds a string that is not Unicode (half a surrogate pair)") from None
        outputs = self._model.signatures[signature](**tensors)
        return {name: _json(value) for name, value in outputs.items()}


class ModelHost:
    """The newest version of one model; whoever took the one before finishes with that, and it is freed after."""

    def __init__(self, directory: Path) -> None:
        """Loads the newest version below `directory`.

        Raises:
            RunError: there is none, or it cannot be loaded.
        """
        self._directory = directory
        newest = self._newest()
        if newest is None:
            raise RunError(f"there is no version in {directory}")
        self.current = LoadedModel(newest)

    def refresh(self) -> bool:
        """Takes the newest version if it is another one; returns whether it did. One that does not load is left."""
        newest = self._newest()
        if newest is None or int(newest.name) == self.current.version:
            return False
        try:
            self.current = LoadedModel(newest)
        except RunError as error:
            _LOG.error("version %d stays: %s", self.current.version, error)
            return False
        _LOG.info("%s: version %d", self._directory.name, self.current.version)
        return True

    def _newest(self) -> Path | None:
        versions = [path for path in self._directory.glob("[0-9]*") if path.name.isdigit()]
        return max(versions, key=lambda path: int(path.name), default=None)


def watch(hosts: Mapping[str, ModelHost], *, seconds: float, stop: threading.Event) -> None:
    """Refreshes the hosts every so many seconds until `stop` is set."""
    while not stop.wait(seconds):
        for host in hosts.values():
            host.refresh()


def _json(value: tf.Tensor) -> list[Any]:
    array = value.numpy()
    if value.dtype != tf.string:
        if not np.isfinite(array).all():
            raise ConfigError("request: a number is out of range, the answer to it is not finite")
        return list(array.tolist())
    return [[text.decode("utf-8", "replace") for text in row] for row in array]
