"""Loads a version of a published model into this process and asks it."""

import importlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from dataplane.errors import ConfigError, PipelineError, RunError
from dataplane.errors.messages import quoted, shown
from dataplane.files.digests import shortened
from models.saved_models.embeddings import exported_ids
from serving.changes.candidate_rows import EMBED
from serving.changes.carry_over import carry_over
from serving.changes.change_log import ChangeLog, SealedError
from serving.changes.change_log import Inputs as LoggedInputs
from serving.model.descriptions import SIGNATURE, ModelDescription, read_description
from serving.model.item_columns import read_item_columns
from serving.model.requests import Request, as_batch, complete_request
from serving.model.version_digests import check_version
from serving.model.warm_up import read_warm_up
from serving.server.batching import Batcher, BatchingOptions
from serving.server.fresh_answers import FreshAnswers
from serving.server.fresh_candidates import FreshCandidates
from serving.server.model_metadata import CANDIDATE_IDS, defined_inputs, ranking, signature_definitions
from serving.server.predict_json import Interface, PredictRequest, Signatures

_LOG = logging.getLogger(__name__)
_EMBEDDED_AT_ONCE = 1024
_MOST_VALUES = 1_000_000  # of one input after padding
_JOINED_WIDTH = 64  # lists up to this length share batches; longer ones with those of about their length
_WIDEST_JOINED = 1024


class LoadedModel:
    """One version, loaded and warm.

    Attributes:
        version: number of the version.
        description: what the version tells of itself.
        interface: what the model can be asked for: the inputs of its description, and the sizes of its answers.
        items: columns of the candidates that are stored with the model; None if there are none.
        definitions: TensorFlow's SignatureDef of each signature, as JSON.
        changes: log of the changes of candidates; None if there cannot be any.
        batcher: joins requests that arrive at the same time.
    """

    def __init__(
        self, path: Path, batching: BatchingOptions, *, on_batch: Callable[[int], None], changes: Path | None = None
    ) -> None:
        """Loads a version and answers its warm-up requests.

        Args:
            path: directory of the version; its name is the version's number.
            batching: how requests are joined.
            on_batch: called with the number of rows of each batch.
            changes: directory of the logs of candidates' changes; None if there cannot be any.

        Raises:
            RunError: the version cannot be loaded, for whatever reason; the message names no directory.
        """
        self.version = int(path.name)
        try:
            if damage := check_version(path):
                raise ValueError(f"it is damaged: {shortened(damage)}")
            self.description = description = read_description(path)
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
            self.changes = None if changes is None else self._open_changes(path, changes)
        except Exception as error:  # a version may hold anything
            raise RunError(f"version {self.version} cannot be loaded: {without_paths(error)}") from error
        self.batcher = Batcher[PredictRequest, Any](self._answers, batching, on_batch=on_batch)

    def _open_changes(self, path: Path, directory: Path) -> ChangeLog:
        """Takes changes over from older versions, and merges what the log has and will have with the answers."""
        description = self.description
        try:
            carried = carry_over(directory, self.version, description.identity, lambda: exported_ids(path))
            if carried is not None:
                _LOG.info("version %d: %s", self.version, carried)
        except (PipelineError, SealedError) as error:  # a read-only directory must not keep it from answering
            _LOG.error("version %d: %s", self.version, error)
        log = ChangeLog(directory, self.version, description.identity)
        self._fresh = FreshAnswers(
            FreshCandidates(log, self._embed_logged, description.filters),
            self.interface.signatures,
            remove_seen=description.remove_seen,
            predict=self._predict,
            nearest=self._nearest,
        )
        return log

    def _embed_logged(self, rows: Sequence[LoggedInputs]) -> np.ndarray:
        """Embeddings of candidates whose features fitted some version; NaN where they do not fit this one."""
        inputs = self.interface.signatures[EMBED]
        completed, fits = list[Request](), list[bool]()
        for row in rows:
            try:
                completed.append(complete_request(inputs, {name: row[name] for name in inputs if name in row}))
                fits.append(True)
            except ConfigError:
                completed.append(complete_request(inputs, {}))
                fits.append(False)
        return np.where(np.array(fits)[:, None], self._embedded(completed), np.float32(np.nan))

    def _embedded(self, rows: Sequence[Request]) -> np.ndarray:
        starts = range(0, len(rows), _EMBEDDED_AT_ONCE)
        parts = (self._predict(EMBED, rows[start : start + _EMBEDDED_AT_ONCE]) for start in starts)
        return np.concatenate([part["embedding"] for part in parts])

    def check_candidates(self, rows: Sequence[LoggedInputs]) -> None:
        """Refuses candidates without a usable embedding.

        Raises:
            ConfigError: an embedding is not finite; the message names the candidate.
        """
        inputs = self.interface.signatures[EMBED]
        vectors = self._embedded([complete_request(inputs, row) for row in rows]) if rows else np.zeros((0, 0))
        for row in np.flatnonzero(~np.isfinite(vectors).all(axis=1)).tolist():
            raise ConfigError(f"request: the embedding of candidate {quoted(rows[row])} is not finite")

    def _nearest(self, vectors: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        rows, scores = self._model.find(vectors, count)
        return tf.gather(self._model.candidate_ids.ids, 1 + rows).numpy(), scores.numpy()

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
        signature, outputs = requests[0].signature, self._predict(requests[0].signature, rows)
        if self.changes is not None:
            most = None if any(request.k is None for request in requests) else max(it.k or 0 for it in requests)
            outputs = self._fresh.merged(signature, rows, outputs, wanted=most)
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
