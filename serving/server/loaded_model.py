"""Loads a version of a published model into this process and asks it."""

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from dataplane.errors import ConfigError, RunError
from dataplane.errors.messages import shown
from dataplane.files.digests import shortened
from serving.model.descriptions import SIGNATURE, ModelDescription, read_description
from serving.model.item_columns import read_item_columns
from serving.model.requests import Request, as_batch
from serving.model.version_digests import check_version
from serving.model.warm_up import read_warm_up
from serving.server.batching import Batcher, BatchingOptions
from serving.server.model_metadata import CANDIDATE_IDS, defined_inputs, ranking, signature_definitions
from serving.server.predict_json import Interface, PredictRequest, Signatures

_MOST_VALUES = 1_000_000  # of one input after padding
_JOINED_WIDTH = 64  # lists up to this length share batches; longer ones with those of about their length
_WIDEST_JOINED = 1024


class LoadedModel:
    """One version, loaded and warm.

    Attributes:
        version: number of the version.
        interface: what the model can be asked for: the inputs of its description, and the sizes of its answers.
        items: columns of the candidates that are stored with the model; None if there are none.
        definitions: TensorFlow's SignatureDef of each signature, as JSON.
        batcher: joins requests that arrive at the same time.
    """

    def __init__(self, path: Path, batching: BatchingOptions, *, on_batch: Callable[[int], None]) -> None:
        """Loads a version and answers its warm-up requests.

        Args:
            path: directory of the version; its name is the version's number.
            batching: how requests are joined.
            on_batch: called with the number of rows of each batch.

        Raises:
            RunError: the version cannot be loaded, for whatever reason; the message names no directory.
        """
        self.version = int(path.name)
        try:
            if damage := check_version(path):
                raise ValueError(f"it is damaged: {shortened(damage)}")
            description = read_description(path)
            signatures = _described_signatures(description)
            for module in description.imports:
                importlib.import_module(module)
            self.definitions = signature_definitions(path)
            _check_definitions(signatures, self.definitions)
            self.items = read_item_columns(path)
            interface = _interface(signatures, self.definitions, self.items.names if self.items else ())
            self.interface = replace(interface, filters=description.filters)
            self._model = tf.saved_model.load(str(path))
            for signature, inputs in read_warm_up(path):
                self._model.signatures[signature](**inputs)
        except Exception as error:  # a version may hold anything
            raise RunError(f"version {self.version} cannot be loaded: {without_paths(error)}") from error
        self.batcher = Batcher[PredictRequest, Any](self._answers, batching, on_batch=on_batch)

    async def answer(self, request: PredictRequest) -> Any:
        """Returns the answer to one request in its format; the request may share a batch with others.

        Raises:
            ConfigError: the lists, padded to one width, are too large, or numbers are so large that scores are not
                finite.
            QueueFullError: too many requests wait.
            tensorflow.errors.OpError: the model fails to answer the request.
        """
        width = self._width(request)
        if width * len(request.rows) > _MOST_VALUES:
            raise ConfigError(
                f"request: lists of {width} are too long for a batch of {len(request.rows)}; send fewer rows"
            )
        joined = max(_JOINED_WIDTH, 1 << (width - 1).bit_length()) if width <= _WIDEST_JOINED else object()
        return await self.batcher.submit(request, key=(request.signature, joined), rows=len(request.rows))

    def _width(self, request: PredictRequest) -> int:
        """Length of the longest list in a request."""
        lists = [name for name, spec in self.interface.signatures[request.signature].items() if len(spec.shape) == 2]
        return max((len(row[name]) for row in request.rows for name in lists), default=0)

    def _answers(self, requests: Sequence[PredictRequest]) -> list[Any]:
        rows = [row for request in requests for row in request.rows]
        outputs = self._predict(requests[0].signature, rows)
        answers: list[Any] = []
        start = 0
        for request in requests:
            stop = start + len(request.rows)
            part = {name: values[start:stop] for name, values in outputs.items()}
            try:
                answers.append(request.encoded(self._as_asked(part, request)))
            except ConfigError as error:
                answers.append(error)
            start = stop
        return answers

    def _as_asked(self, outputs: Mapping[str, np.ndarray], request: PredictRequest) -> dict[str, Any]:
        """The first `k` answers of each row, and the columns that the request names."""
        kept: dict[str, Any] = {
            name: values if request.k is None else values[:, : request.k] for name, values in outputs.items()
        }
        if self.items is not None and request.columns:
            ids = [[name.decode("utf-8", "replace") for name in row] for row in kept[CANDIDATE_IDS].tolist()]
            kept["items"] = [self.items.of(row, request.columns) for row in ids]
        return kept

    def _predict(self, signature: str, rows: Sequence[Request]) -> dict[str, np.ndarray]:
        specs = self.interface.signatures[signature]
        batch = as_batch(specs, rows)
        tensors = {name: tf.constant(batch[name], spec.dtype) for name, spec in specs.items()}
        return {name: value.numpy() for name, value in self._model.signatures[signature](**tensors).items()}


def _described_signatures(description: ModelDescription) -> Signatures:
    """The inputs of each signature.

    Raises:
        ValueError: the description is not a serving model's.
    """
    if SIGNATURE not in description.signatures:
        raise ValueError(f"model.json: there is no signature '{SIGNATURE}'")
    return {name: signature.inputs for name, signature in description.signatures.items()}


def _interface(signatures: Signatures, definitions: Mapping[str, Any], columns: Sequence[str]) -> Interface:
    """Adds the number of answers and the columns of the signatures that rank."""
    ranked = {name: ranking(definitions[name]) for name in signatures}
    return Interface(
        signatures,
        rankings={name: found.width for name, found in ranked.items() if found},
        columns={name: columns for name, found in ranked.items() if found and found.output == CANDIDATE_IDS},
    )


def _check_definitions(signatures: Signatures, definitions: Mapping[str, Any]) -> None:
    """Checks that the model has the signatures of its description.

    Raises:
        ValueError: a signature is missing, or takes other inputs.
    """
    for name, inputs in signatures.items():
        if name not in definitions:
            raise ValueError(f"model.json: the model has no signature '{name}'")
        described = {key: spec.model_dump(mode="json") for key, spec in inputs.items()}
        if (defined := defined_inputs(definitions[name])) != described:
            raise ValueError(f"model.json: signature '{name}' takes {defined}, not {described}")


def without_paths(error: BaseException) -> str:
    """The first line of an error's message, shortened, with absolute paths cut to their last name."""
    lines = str(error).strip().splitlines() or [""]
    text = re.sub(r"(?<![\w./])/(?:[^\s/'\":,;]+/)*([^\s/'\":,;]*)", r"\1", lines[0])
    return shown(text) or type(error).__name__
