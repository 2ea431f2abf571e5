"""Asks a published or exported model in a fresh process, without TensorFlow in this one."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from dataplane.bound_process import bound
from dataplane.errors import RunError
from serving.model.descriptions import SIGNATURE, Inputs, InputSpec, read_description
from serving.model.requests import Request, as_batch, complete_request

SCRIPT = Path(__file__).with_name("fresh_process.py")
"""The file that runs in the fresh process."""
_STDERR_LINES = 12


@dataclass(frozen=True)
class Answer:
    """A model's answer to one request.

    Attributes:
        candidate_ids: ids of candidates, best first, without padding.
        scores: scores of the candidates.
        places: how many candidates the model gives at most, its serving.top_k.
    """

    candidate_ids: list[str]
    scores: list[float]
    places: int


@dataclass(frozen=True)
class RawAnswer:
    """A model's answer to one batch, with padding.

    Attributes:
        candidate_ids: `[batch, k]`, "" for padding.
        scores: `[batch, k]`.
    """

    candidate_ids: list[list[str]]
    scores: list[list[float]]


Reply: TypeAlias = Mapping[str, Any]
"""Outputs of a signature by name, each a list with one entry per request."""


@dataclass(frozen=True)
class Question:
    """One call of any signature.

    Attributes:
        signature: name of the signature.
        requests: rows of the batch, completed for the signature.
    """

    signature: str
    requests: Sequence[Request]


@dataclass(frozen=True)
class Session:
    """Report of a fresh process about a model.

    Attributes:
        answers: one answer per batch.
        replies: outputs by name, one reply per question.
        inputs: dtype and shape of each input, by signature.
        load_seconds: time to load the SavedModel.
        warm_up_seconds: time of the first call.
        memory_bytes: growth of the process while it loaded the model and answered.
        latency_ms: median time of later calls for one request; None if not measured.
    """

    answers: list[RawAnswer]
    replies: list[Reply]
    inputs: Mapping[str, Inputs]
    load_seconds: float
    warm_up_seconds: float
    memory_bytes: int
    latency_ms: float | None


def ask(model: Path, request: Mapping[str, Any], *, signature: str = SIGNATURE, timeout: float = 120) -> Answer:
    """Asks a model for recommendations.

    Args:
        model: directory of a SavedModel exported by this pipeline.
        request: values by input name; absent inputs are missing values (see `complete_request`).
        signature: a signature that ranks candidates.
        timeout: seconds after which the process is killed.

    Raises:
        ConfigError: the request does not fit the model.
        RunError: the model cannot be loaded or does not answer.
    """
    question = Question(signature, [complete_request(read_description(model).inputs(signature), request)])
    (reply,) = ask_batches(model, [], timeout=timeout, questions=[question]).replies
    return unpadded(reply["candidate_ids"][0], reply["scores"][0])


def unpadded(ids: Sequence[str], scores: Sequence[float]) -> Answer:
    """A row of a model's answer without its padding."""
    found = [(name, score) for name, score in zip(ids, scores, strict=True) if name]
    return Answer([name for name, _ in found], [score for _, score in found], places=len(ids))


def ask_batches(
    model: Path,
    batches: Sequence[Sequence[Request]],
    *,
    timeout: float,
    questions: Sequence[Question] = (),
    blocked: Sequence[str] = (),
    timed: int = 0,
) -> Session:
    """Loads a model in a fresh process and asks it batch by batch.

    Args:
        model: directory of a SavedModel exported by this pipeline.
        batches: completed requests to `serving_default`.
        timeout: seconds after which the process is killed.
        questions: calls of other signatures.
        blocked: Python modules that the process cannot import.
        timed: number of calls that measure the latency.

    Raises:
        RunError: the process crashed or was too slow, or the model cannot be loaded; the message ends with the end of
            the process's log.
    """
    description = read_description(model)
    task = {
        "model": str(model.absolute()),
        "imports": list(description.imports),
        "blocked": list(blocked),
        "batches": [as_batch(description.inputs(), batch) for batch in batches],
        "questions": [
            {
                "signature": question.signature,
                "inputs": as_batch(description.inputs(question.signature), question.requests),
            }
            for question in questions
        ],
        "timed": timed,
    }
    with tempfile.TemporaryDirectory(prefix="ask-") as scratch:
        result = _run(Path(scratch), task, timeout)
    answers = [RawAnswer(**answer) for answer in result.pop("answers")]
    inputs = {
        signature: {name: InputSpec.model_validate(spec) for name, spec in specs.items()}
        for signature, specs in result.pop("inputs").items()
    }
    return Session(answers=answers, inputs=inputs, **result)


def _run(directory: Path, task: Mapping[str, Any], timeout: float) -> dict[str, Any]:
    task_file, result_file, log = (directory / name for name in ("task.json", "result.json", "log"))
    task_file.write_text(json.dumps(task), encoding="utf-8")
    # Isolated: the process imports nothing from PYTHONPATH, the working directory or the script's own folder.
    command = bound([sys.executable, "-I", str(SCRIPT), str(task_file), str(result_file)])
    with log.open("wb") as output:
        try:
            code = subprocess.run(  # noqa: S603
                command, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=timeout
            ).returncode
        except subprocess.TimeoutExpired:
            raise RunError(f"{task['model']}: no answer after {timeout:g} s{_tail(log)}") from None
    if code != 0 or not result_file.exists():
        raise RunError(f"{task['model']}: the process that loads it {_end(code)}{_tail(log)}")
    result: dict[str, Any] = json.loads(result_file.read_text(encoding="utf-8"))
    return result


def _end(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_STDERR_LINES:]
    return "".join(f"{os.linesep}  | {line}" for line in lines)
