"""Asking a published or exported model in a fresh process, without TensorFlow in this one."""

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
from serving.model.descriptions import Inputs, InputSpec, read_description
from serving.model.requests import Request, as_batch, complete_request

SCRIPT = Path(__file__).with_name("fresh_process.py")
"""Runs in the fresh process, as a file."""
_STDERR_LINES = 12


@dataclass(frozen=True)
class Answer:
    """What a model answers to one request.

    Attributes:
        candidate_ids: best first, padding left out.
        scores: of the candidates.
    """

    candidate_ids: list[str]
    scores: list[float]


@dataclass(frozen=True)
class RawAnswer:
    """What a model answers to one batch, as it came back.

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
        signature: its name.
        requests: completed for this signature, the rows of the batch.
    """

    signature: str
    requests: Sequence[Request]


@dataclass(frozen=True)
class Session:
    """What a fresh process reports about a model.

    Attributes:
        answers: one for each batch.
        replies: outputs by name, one for each question.
        inputs: dtype and shape of each input, by signature.
        load_seconds: time to load the SavedModel.
        warm_up_seconds: time of the first call.
        memory_bytes: by how much loading and answering all this made the process grow.
        latency_ms: median of later calls for one request; None if it was not measured.
    """

    answers: list[RawAnswer]
    replies: list[Reply]
    inputs: Mapping[str, Inputs]
    load_seconds: float
    warm_up_seconds: float
    memory_bytes: int
    latency_ms: float | None


def ask(model: Path, request: Mapping[str, Any], *, timeout: float = 120) -> Answer:
    """Asks a model for recommendations.

    Args:
        model: directory of a SavedModel exported by this pipeline.
        request: values by input name; what is left out is missing (see `complete_request`).
        timeout: seconds after which the process is ended.

    Raises:
        ConfigError: the request does not fit the model.
        RunError: the model cannot be loaded or does not answer.
    """
    completed = complete_request(read_description(model).inputs(), request)
    answer = ask_batches(model, [[completed]], timeout=timeout).answers[0]
    found = [(name, score) for name, score in zip(answer.candidate_ids[0], answer.scores[0], strict=True) if name]
    return Answer([name for name, _ in found], [score for _, score in found])


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
        timeout: seconds after which the process is ended.
        questions: calls of other signatures.
        blocked: Python modules that cannot be imported in that process.
        timed: calls to measure the latency with.

    Raises:
        RunError: the process crashed, was too slow, or the model cannot be loaded; with the end of its log.
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
    # Isolated: neither PYTHONPATH nor the working directory nor the script's own folder can be imported from.
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
