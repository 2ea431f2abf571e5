"""Answers every row of a file in this process, in order and in bounded memory."""

import importlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from dataplane.errors import ConfigError, RunError
from models.spec.durable import replacing
from models.spec.features import QUERY_ID
from serving.model.ask import unpadded
from serving.model.descriptions import read_description
from serving.model.request_rows import read_rows
from serving.model.requests import Request, as_batch

_BATCH = 256
_PART = 4096  # rows of a row group
_SCHEMA = pa.schema([("candidate_ids", pa.list_(pa.string())), ("scores", pa.list_(pa.float32()))])

Item = TypeVar("Item")
Row = dict[str, Any]
"""An answer: `candidate_ids` and `scores` without padding, and `query_id` where the request has one."""


class Answerer:
    """A model that is loaded into this process."""

    def __init__(self, model: Path, signature: str) -> None:
        """Loads a SavedModel that this pipeline exported.

        Args:
            model: its directory.
            signature: name of a signature that ranks candidates.

        Raises:
            ConfigError: the signature does not rank candidates.
            RunError: the model has no such signature, or cannot be loaded.
        """
        description = read_description(model)
        self.inputs = description.inputs(signature)
        import tensorflow as tf

        try:
            for module in description.imports:
                importlib.import_module(module)
            self._model = tf.saved_model.load(str(model))
        except Exception as error:  # a model may hold anything
            raise RunError(f"{model} cannot be loaded: {error}") from error
        self._ask, self._constant = self._model.signatures[signature], tf.constant
        outputs = self._ask.structured_outputs
        if not {"candidate_ids", "scores"} <= set(outputs):
            raise ConfigError(f"signature '{signature}' does not recommend candidates")
        self.most: int = outputs["candidate_ids"].shape[1]

    def answers(self, requests: Iterable[Request], *, k: int | None = None) -> Iterator[Row]:
        """Yields the answer to each completed request, in order.

        Args:
            requests: completed requests, read as they are needed.
            k: number of answers per row; None for as many as there are.

        Raises:
            ConfigError: the model was exported with fewer answers than `k`.
        """
        if k is not None and k > self.most:
            raise ConfigError(f"the model gives at most {self.most} answers (serving.top_k), {k} were asked for")
        for rows in _parts(requests, _BATCH):
            batch = as_batch(self.inputs, rows)
            tensors = {name: self._constant(batch[name], spec.dtype) for name, spec in self.inputs.items()}
            outputs = {name: values.numpy() for name, values in self._ask(**tensors).items()}
            for request, ids, scores in zip(rows, outputs["candidate_ids"], outputs["scores"], strict=True):
                found = unpadded([name.decode() for name in ids[:k]], scores[:k].tolist())
                known = {QUERY_ID: request[QUERY_ID]} if QUERY_ID in request else {}
                yield {**known, "candidate_ids": found.candidate_ids, "scores": found.scores}


def answer_file(model: Path, requests: Path, answers: Path, *, signature: str, k: int | None = None) -> int:
    """Answers the rows of a file into another, which appears when all are answered; returns the number of rows.

    Args:
        model: directory of a SavedModel that this pipeline exported.
        requests: see `read_rows`.
        answers: file to write, `.parquet` or `.jsonl`.
        signature: name of a signature that ranks candidates.
        k: number of answers per row; None for as many as there are.

    Raises:
        ConfigError: a file has an unknown suffix, a row does not fit, or `k` is too large.
        RunError: the model cannot be loaded, or the answers cannot be written.
    """
    writer = _WRITERS.get(answers.suffix.lower())
    if writer is None:
        raise ConfigError(f"{answers}: the name must end in one of {', '.join(_WRITERS)}")
    answerer = Answerer(model, signature)
    rows, count = read_rows(requests, answerer.inputs), 0
    try:
        with replacing(answers) as temporary, writer(temporary, QUERY_ID in answerer.inputs) as write:
            for part in _parts(answerer.answers(rows, k=k), _PART):
                write(part)
                count += len(part)
    except OSError as error:
        raise RunError(f"{answers} cannot be written: {error}") from error
    return count


def _parts(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


@contextmanager
def _parquet(file: Path, names_queries: bool) -> Iterator[Callable[[Sequence[Row]], None]]:
    schema = _SCHEMA.insert(0, pa.field(QUERY_ID, pa.string())) if names_queries else _SCHEMA
    with pq.ParquetWriter(file, schema) as writer:
        yield lambda rows: writer.write_table(pa.Table.from_pylist(list(rows), schema=schema))


@contextmanager
def _json_lines(file: Path, _: bool) -> Iterator[Callable[[Sequence[Row]], None]]:
    with file.open("w", encoding="utf-8") as lines:
        yield lambda rows: lines.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


_WRITERS: dict[str, Callable[[Path, bool], AbstractContextManager[Callable[[Sequence[Row]], None]]]] = {
    ".parquet": _parquet,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
}
