"""A published model held in this process, replaced by the next version once that is warm."""

import gc
import importlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from components.errors import ConfigError, RunError
from components.serving.batching import Batcher, BatchingOptions
from components.serving.descriptions import read_description, signature_inputs
from components.serving.model_metadata import signature_definitions
from components.serving.predict_json import PredictRequest, answer_json
from components.serving.publishing import Versions
from components.serving.requests import Request, as_batch
from components.serving.warm_up import read_warm_up

_LOG = logging.getLogger(__name__)
_MOST_VALUES = 1_000_000  # of one input after padding
_JOINED_WIDTH = 64  # lists up to this length share batches; longer ones with those of about their length
_WIDEST_JOINED = 1024
_TRY_AGAIN_SECONDS = 60


class LoadedModel:
    """One version, loaded and warm.

    Attributes:
        version: its number.
        signatures: inputs of each signature by name, as the model describes them.
        definitions: of the signatures, as JSON of TensorFlow's SignatureDef.
        batcher: joins what is asked at the same time.
    """

    def __init__(self, path: Path, batching: BatchingOptions, *, on_batch: Callable[[int], None]) -> None:
        """Loads a version and answers its warm-up requests.

        Args:
            path: directory of the version, which is its number.
            batching: how requests are joined.
            on_batch: told the rows of each batch that is run.

        Raises:
            RunError: it cannot be loaded.
        """
        self.version = int(path.name)
        description = read_description(path)
        self.signatures = {name: signature_inputs(description, name) for name in description.get("signatures", {})}
        try:
            for module in description.get("imports", ()):
                importlib.import_module(module)
            self.definitions = signature_definitions(path)
            self._model = tf.saved_model.load(str(path))
            for signature, inputs in read_warm_up(path):
                self._model.signatures[signature](**inputs)
        except (ImportError, OSError, ValueError, KeyError, tf.errors.OpError) as error:
            raise RunError(f"{path} cannot be loaded: {error}") from error
        self.batcher = Batcher[PredictRequest, bytes](self._answers, batching, on_batch=on_batch)

    async def answer(self, request: PredictRequest) -> bytes:
        """JSON of the answer to one request, which may be computed together with others.

        Raises:
            ConfigError: its lists are so long that padded to one width they are too large, or it holds numbers so large
                that scores are not finite.
            QueueFullError: too many requests wait.
            tensorflow.errors.OpError: the model fails to answer it.
        """
        width = self._width(request)
        if width * len(request.rows) > _MOST_VALUES:
            raise ConfigError(
                f"request: lists of {width} are too long for a batch of {len(request.rows)}; send fewer rows"
            )
        joined = max(_JOINED_WIDTH, 1 << (width - 1).bit_length()) if width <= _WIDEST_JOINED else object()
        return await self.batcher.submit(request, key=(request.signature, joined), rows=len(request.rows))

    def _width(self, request: PredictRequest) -> int:
        """Length of the longest list in it."""
        lists = [name for name, spec in self.signatures[request.signature].items() if len(spec["shape"]) == 2]
        return max((len(row[name]) for row in request.rows for name in lists), default=0)

    def _answers(self, requests: Sequence[PredictRequest]) -> list[bytes | Exception]:
        rows = [row for request in requests for row in request.rows]
        outputs = self._predict(requests[0].signature, rows)
        answers: list[bytes | Exception] = []
        start = 0
        for request in requests:
            stop = start + len(request.rows)
            part = {name: values[start:stop] for name, values in outputs.items()}
            try:
                answers.append(answer_json(part, is_by_row=request.is_by_row))
            except ConfigError as error:
                answers.append(error)
            start = stop
        return answers

    def _predict(self, signature: str, rows: Sequence[Request]) -> dict[str, np.ndarray]:
        specs = self.signatures[signature]
        batch = as_batch(specs, rows)
        tensors = {name: tf.constant(batch[name], spec["dtype"]) for name, spec in specs.items()}
        return {name: value.numpy() for name, value in self._model.signatures[signature](**tensors).items()}


@dataclass(frozen=True)
class VersionState:
    """State of a version in TensorFlow Serving's terms.

    Attributes:
        version: its number.
        state: LOADING, AVAILABLE, or END for one that could not be loaded.
        error: why it could not be loaded; "" otherwise.
    """

    version: int
    state: str
    error: str = ""


class ModelHost:
    """The newest version of one model; whoever took the one before finishes with that, and it is freed after."""

    def __init__(
        self,
        versions: Versions,
        name: str,
        batching: BatchingOptions,
        *,
        on_batch: Callable[[int], None] = lambda rows: None,
    ) -> None:
        """Loads the newest version.

        Args:
            versions: where to look.
            name: of the model.
            batching: how requests are joined.
            on_batch: told the rows of each batch that is run.

        Raises:
            RunError: there is none, or it cannot be loaded.
        """
        self._versions, self._name, self._batching, self._on_batch = versions, name, batching, on_batch
        self._other: VersionState | None = None  # that is being loaded, or could not be
        self._try_again = 0.0
        newest = self._newest()
        if newest is None:
            raise RunError(f"there is no version of {name} in {versions.location}")
        self.current = self._load(newest)

    @property
    def states(self) -> list[VersionState]:
        """The version that answers, and before it a newer one that is being loaded or could not be."""
        other = self._other
        return [*([] if other is None else [other]), VersionState(self.current.version, "AVAILABLE")]

    def refresh(self) -> bool:
        """Takes the newest version if it is another one; returns whether it did.

        One that cannot be loaded is left, and tried again a minute later.
        """
        try:
            version = self._newest()
        except (OSError, RunError) as error:  # the directory may be on another machine
            _LOG.error("%s: %s", self._name, error)
            return False
        if version in (None, self.current.version):
            self._other = None
            return False
        if self._other is not None and self._other.version == version and time.monotonic() < self._try_again:
            return False
        self._other = VersionState(version, "LOADING")
        try:
            self.current = self._load(version)
        except RunError as error:
            _LOG.error("version %d stays: %s", self.current.version, error)
            self._other, self._try_again = (
                VersionState(version, "END", str(error)),
                time.monotonic() + _TRY_AGAIN_SECONDS,
            )
            return False
        self._other = None
        _LOG.info("%s: version %d", self._name, version)
        return True

    def _load(self, version: int) -> LoadedModel:
        return LoadedModel(self._versions.fetch(self._name, version), self._batching, on_batch=self._on_batch)

    def _newest(self) -> int | None:
        return max(self._versions.numbers(self._name), default=None)


def watch(hosts: Mapping[str, ModelHost], *, seconds: float, stop: threading.Event) -> None:
    """Refreshes the hosts every so many seconds until `stop` is set."""
    changed = True  # the models were loaded just now
    while not stop.wait(seconds):
        if changed:  # a look ago, so that what was asked of the version before has been answered
            _free_memory()
        changed = sum(host.refresh() for host in hosts.values()) > 0


def _free_memory() -> None:
    # Loaded models are full of cycles, and too many objects to be looked through while requests wait.
    gc.unfreeze()
    gc.collect()
    gc.freeze()
