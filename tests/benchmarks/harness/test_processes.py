import sys
import time
from pathlib import Path

import pytest

from benchmarks.harness.processes import MeasuredProcess, ProcessError, measured, run_task, task_process
from tests.benchmarks.harness.echo import Echo, EchoTask

ECHO = "tests.benchmarks.harness.echo"


def test_a_process_is_measured_with_its_children() -> None:
    child = "x = bytearray(100 << 20); import time; time.sleep(0.3); sum(range(5_000_000))"
    parent = f"import subprocess, sys; y = bytearray(100 << 20); subprocess.run([sys.executable, '-c', {child!r}])"
    own = bytearray(b"\1" * (500 << 20))  # memory of the measuring process does not count
    with MeasuredProcess([sys.executable, "-c", parent]) as process:
        usage = process.wait()
    assert 200 < usage.peak_mib < 400
    assert usage.cpu_seconds > 0.05
    assert own[-1] == 1
    assert max(sample.mib for sample in process.samples) <= usage.peak_mib


def test_a_failure_ends_with_what_the_process_printed() -> None:
    with pytest.raises(ProcessError, match=r"(?s)ended with 1:.*ValueError: that"):
        measured([sys.executable, "-c", "raise ValueError('that')"])
    with pytest.raises(ProcessError, match="ValueError: no such text"):
        run_task(ECHO, EchoTask(text="fail"), Echo)


def test_a_task_of_any_length_gets_its_result_whatever_else_is_printed() -> None:
    text = "é" * 1_000_000
    assert run_task(ECHO, EchoTask(text=text), Echo).result == Echo(text=text)


def test_sigterm_reaches_a_task(capfd: pytest.CaptureFixture[str]) -> None:
    with task_process(ECHO, EchoTask(text="a", wait=True), shows_errors=True) as process:
        while "ready" not in capfd.readouterr().err:
            time.sleep(0.05)
        process.terminate()
        process.wait()
        assert Echo.model_validate_json(process.output()) == Echo(text="a", terminated=True)


def test_leaving_the_context_ends_the_process() -> None:
    with MeasuredProcess([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        directory = Path(f"/proc/{process.pid}")
        assert directory.exists()
    assert not directory.exists()
