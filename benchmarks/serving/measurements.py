"""Rows and goals: every load on every model, with and without batching, and a change of version under load."""

import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.harness.pipeline_runs import run_pipeline
from benchmarks.harness.processes import run_task
from benchmarks.harness.report import Goal, Record
from benchmarks.serving.server import LONGEST_CHANGE, Measured, Target, running_server
from benchmarks.serving.tasks import InProcessOutcomes, InProcessTask, Outcome, Question
from serving.published.publishing import Publisher

NAME = "benchmark"
_MODELS = (f"{NAME}-scann", NAME)
_QUESTIONS = 1024
_LONGEST_HISTORY = 20
_FIRST_LOAD_SECONDS = 3
_SHORTEST_CHANGE = 12
_IN_PROCESS_BATCHES = (1, 64)
_PROCESSES = 2
_UNBATCHED, _BATCHED = "unbatched", "batched"
_OVER_GRPC, _IN_PROCESSES = "gRPC", f"{_PROCESSES} processes"
_OPEN_LOOP_CONNECTIONS = 256


class Row(Record):
    """A load on a model.

    Attributes:
        asked: in process, or through the server: over HTTP with batching or without, over gRPC, in several processes.
        load: connections at once, or requests a second.
        failed: requests without an answer of status 200.
        batch: mean rows of a call of the signature.
        cpu_ms: what a request cost the server alone.
        changed: whether the version changed, where one was published meanwhile.
    """

    model: str
    asked: str
    load: str
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    failed: int
    batch: float
    cpu_ms: float | None = None
    changed: bool | None = None


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        candidates: size of the catalogue.
        seconds: of each measurement.
        connections: of each closed loop.
        rate: requests a second of the open loop.
    """

    candidates: int
    seconds: float
    connections: Sequence[int]
    rate: int


def rows_of(root: Path, plan: Plan) -> Iterator[Row]:
    """Measures the models published below `root`; prints each row."""
    for row in _rows(root, plan):
        print(row.model_dump_json(exclude_none=True), file=sys.stderr, flush=True)
        yield row


def _rows(root: Path, plan: Plan) -> Iterator[Row]:
    questions = list(_questions(plan.candidates))
    publisher = Publisher(root / "serving", NAME)
    newest = publisher.newest()
    assert newest is not None
    for directory in reversed(publisher.fetch(newest.version)):
        yield from _in_process(directory, questions, plan.seconds)
    for asked, wait_ms in ((_UNBATCHED, 0), (_BATCHED, 5)):
        with running_server(root, NAME, batch_wait_ms=wait_ms) as server:
            targets = [Target(server, model, questions) for model in _MODELS]
            for target in targets:
                target.measure(connections=16, seconds=min(plan.seconds, _FIRST_LOAD_SECONDS))
                yield from _loads(target, asked, plan)
            for target in targets if asked == _BATCHED else ():
                yield from _loads(replace(target, protocol="grpc"), _OVER_GRPC, plan)
                yield _while_version_changes(root, target, max(plan.seconds, _SHORTEST_CHANGE))
    with running_server(root, NAME, batch_wait_ms=5, processes=_PROCESSES) as server:
        for model in _MODELS:
            target = Target(server, model, questions)
            target.measure(connections=16, seconds=min(plan.seconds, _FIRST_LOAD_SECONDS))
            yield from _loads(target, _IN_PROCESSES, plan)
            yield from _loads(replace(target, protocol="grpc"), f"{_OVER_GRPC}, {_IN_PROCESSES}", plan)


def _in_process(model: Path, questions: Sequence[Question], seconds: float) -> Iterator[Row]:
    task = InProcessTask(model=model, questions=questions, batches=_IN_PROCESS_BATCHES, seconds=seconds)
    found = run_task("benchmarks.serving.in_process", task, InProcessOutcomes).result
    for batch, outcome in zip(_IN_PROCESS_BATCHES, found.outcomes, strict=True):
        yield _row(model.parent.name, "in process", "1 thread", outcome, batch=batch)


def _loads(target: Target, asked: str, plan: Plan) -> Iterator[Row]:
    for connections in plan.connections:
        found = target.measure(connections=connections, seconds=plan.seconds)
        yield _server_row(target, asked, _at_once(connections), found)
    found = target.measure(connections=_OPEN_LOOP_CONNECTIONS, seconds=plan.seconds, rate=plan.rate)
    yield _server_row(target, asked, f"{plan.rate}/s", found)


def _while_version_changes(root: Path, target: Target, seconds: float) -> Row:
    """A load while the content of another version is published and taken over."""
    before = target.version()
    *others, newest = Publisher(root / "serving", NAME).versions()
    other = next(found.version for found in reversed(others) if found.identity != newest.identity)

    def change() -> None:
        time.sleep(seconds / 3)
        run_pipeline("rollback", NAME, str(other), "--root", str(root))
        end = time.monotonic() + LONGEST_CHANGE / 2
        while target.version() == before and time.monotonic() < end:
            time.sleep(0.1)
        time.sleep(seconds / 3)

    found = target.measure(connections=16, seconds=seconds, change=change)
    row = _server_row(target, _BATCHED, f"{_at_once(16)}, version changes", found)
    return row.model_copy(update={"changed": target.version() != before})


def _server_row(target: Target, asked: str, load: str, found: Measured) -> Row:
    return _row(target.model, asked, load, found.outcome, batch=found.batch, cpu_ms=round(found.cpu_ms, 2))


def _row(model: str, asked: str, load: str, outcome: Outcome, *, batch: float, cpu_ms: float | None = None) -> Row:
    latencies = outcome.latencies_ms or [np.nan]
    p50, p99, p999 = (round(float(value), 2) for value in np.quantile(latencies, [0.5, 0.99, 0.999]))
    return Row(
        model=model,
        asked=asked,
        load=load,
        requests_per_s=round(outcome.requests / outcome.seconds, 1),
        p50_ms=p50,
        p99_ms=p99,
        p999_ms=p999,
        failed=sum(outcome.errors.values()),
        batch=round(batch, 1),
        cpu_ms=cpu_ms,
    )


def _at_once(connections: int) -> str:
    return f"{connections} at once"


def _questions(candidates: int) -> Iterator[Question]:
    source = random.Random(7)
    for _ in range(_QUESTIONS):
        yield Question(
            country=source.choice(["NL", "DE", "FR", "?"]),
            age=source.choice([None, source.randint(16, 90)]),
            device=source.choice(["phone", "tv"]),
            history=tuple(f"c{source.randrange(candidates)}" for _ in range(source.randint(0, _LONGEST_HISTORY))),
        )


def goals_of(rows: Sequence[Row]) -> list[Goal]:
    """No request fails, versions change, and batching costs a lone client little and pays under load."""
    return [*quick_goals(rows), *_batching_goals(rows)]


def quick_goals(rows: Sequence[Row]) -> list[Goal]:
    """The goals that do not depend on speed."""
    failed, changed = sum(row.failed for row in rows), sum(row.changed is True for row in rows)
    return [
        Goal.at_most("requests that failed, ≤ 0", failed, 0),
        Goal.at_least("models that changed their version under load, ≥ 2", changed, 2),
    ]


def _batching_goals(rows: Sequence[Row]) -> Iterator[Goal]:
    by_load = {(row.model, row.asked, row.load): row for row in rows}
    for model in _MODELS:
        plain, batched = (by_load[model, asked, _at_once(1)].p50_ms for asked in (_UNBATCHED, _BATCHED))
        yield Goal.at_most(f"{model}, 1 at once: p50 with batching to without, ≤ 1.15", batched / plain, 1.15)
        plain, batched = (by_load[model, asked, _at_once(16)].requests_per_s for asked in (_UNBATCHED, _BATCHED))
        yield Goal.at_least(f"{model}, 16 at once: requests/s with batching to without, ≥ 1", batched / plain, 1.0)
