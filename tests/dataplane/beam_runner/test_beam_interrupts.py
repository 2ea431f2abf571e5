"""A Beam pipeline and its workers end when its process is told to stop or is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import apache_beam as beam
import psutil
import pytest

from dataplane.beam_runner import InProcess
from dataplane.beam_runner.failures import as_raised, interrupts_kept
from dataplane.errors import RunError
from tests.e2e.runners import FAST_START, JOB_SERVER, SPARK_JOB_SERVER, needs_flink, needs_spark

_SECONDS = 120
"""Seconds after which an event counts as missing."""
RUNNERS: list[dict[str, Any]] = [{"runner": "in_process"}, {"runner": "multi_process", "workers": 2}]
WITH_JAVA = [
    pytest.param({"runner": runner, "environment": environment, "job_server_jar": str(jar), "java_options": FAST_START},
                 marks=needs, id=f"{runner} {environment}")
    for runner, jar, needs in (("flink", JOB_SERVER, needs_flink), ("spark", SPARK_JOB_SERVER, needs_spark))
    for environment in ("loopback", "process")
]  # fmt: skip
IN_PYTHON = [pytest.param(runner, id=runner["runner"]) for runner in RUNNERS]
SIGNALS = [signal.SIGTERM, signal.SIGINT]


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def begin(tmp_path) -> Iterator[Callable[[dict], tuple[subprocess.Popen, list[psutil.Process]]]]:
    """Starts an endless step on a runner; returns the process that works on it and all its descendants."""
    started: list[subprocess.Popen] = []

    def start(runner: dict) -> tuple[subprocess.Popen, list[psutil.Process]]:
        command = [sys.executable, "-m", "tests.components.endless_step", json.dumps(runner), str(tmp_path)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
        started.append(process)
        until(lambda: process.poll() is not None or len(list(tmp_path.iterdir())) == runner.get("workers", 1))
        return process, psutil.Process(process.pid).children(recursive=True)

    yield start
    for process in started:
        process.kill()
        process.communicate()


def crossed(*, turn: int) -> list[Any]:
    """Each runner with Java and one signal, so that each runner and each environment meets both signals."""
    numbers = [SIGNALS[(place + place // 2 + turn) % 2] for place in range(len(WITH_JAVA))]
    return [
        pytest.param(*runner.values, number, marks=runner.marks, id=f"{runner.id} {number.name}")
        for runner, number in zip(WITH_JAVA, numbers, strict=True)
    ]


def interrupted(begin: Callable[..., Any], runner: dict[str, Any], number: signal.Signals) -> None:
    process, workers = begin(runner)
    assert len(workers) >= runner.get("workers", 0)
    os.killpg(process.pid, number)  # in a terminal, Ctrl-C reaches all processes of the group
    _, output = process.communicate(timeout=_SECONDS)
    assert output.strip().splitlines()[-1] == "interrupted"
    until(lambda: not any(map(alive, workers)))  # those started by a cluster take a second


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("runner", IN_PYTHON)
def test_a_signal_in_a_step_ends_the_pipeline_as_an_interrupt(begin, runner, number):
    interrupted(begin, runner, number)


@pytest.mark.parametrize(("runner", "number"), crossed(turn=0))
def test_so_does_one_in_a_step_on_a_job_server(begin, runner, number):
    interrupted(begin, runner, number)


@pytest.mark.slow
@pytest.mark.parametrize(("runner", "number"), crossed(turn=1))
def test_so_does_the_other_signal(begin, runner, number):
    interrupted(begin, runner, number)


@pytest.mark.parametrize("runner", [pytest.param(RUNNERS[1], id="multi_process"), *WITH_JAVA])
def test_workers_end_with_a_killed_process(begin, runner):
    process, workers = begin(runner)
    assert len(workers) >= runner.get("workers", 1)
    process.kill()
    process.wait()
    until(lambda: not any(map(alive, workers)))


def listening(process: int) -> set[str]:
    """Addresses that a process listens on."""
    return {found.laddr.ip for found in psutil.Process(process).net_connections("tcp") if found.status == "LISTEN"}


def test_endpoints_of_this_process_listen_on_the_loopback_interface_only(begin):
    process, _ = begin({"runner": "multi_process", "workers": 1})
    addresses = listening(process.pid)
    assert addresses
    assert addresses <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def interrupt(wrapped: type[Exception]) -> None:
    """Raises a signal whose KeyboardInterrupt becomes another error."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt as error:
        raise wrapped(f"step: {error!r}") from None


@pytest.mark.parametrize("wrapped", [RuntimeError, RunError, OSError])
def test_an_interrupt_that_becomes_another_error_is_restored(wrapped):
    with pytest.raises(KeyboardInterrupt), interrupts_kept(), as_raised():
        interrupt(wrapped)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_that_is_swallowed_is_raised_again():
    with pytest.raises(KeyboardInterrupt), interrupts_kept(), suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_an_error_without_a_signal_is_not_changed():
    with pytest.raises(RunError, match="the Beam runner failed"), interrupts_kept(), as_raised():
        raise RuntimeError("KeyboardInterrupt")
    with InProcess().pipeline() as pipeline:
        _ = pipeline | beam.Create([1])
