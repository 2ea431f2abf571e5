"""The log of a run takes what native libraries write past `sys.stderr`, and the screen does not."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

_SCRIPT = """
import os, subprocess, sys
from pathlib import Path
from pipeline.execution.run_log import native_lines_in

print("before", file=sys.stderr)
with native_lines_in(Path(sys.argv[1])):
    os.write(2, b"I0000 scann.cc:12] native\\n")
    subprocess.run([sys.executable, "-c", "import sys; print('of a child', file=sys.stderr)"])
    print("told", file=sys.stderr)
os.write(2, b"native after\\n")
print("after", file=sys.stderr)
"""
_LOGGING = """
import logging, sys
from pathlib import Path
from pipeline.execution.run_log import log_to

log_to(Path(sys.argv[1]), verbose=sys.argv[2] == "verbose")
logging.getLogger("pipeline.execution.progress").info("own line")
logging.getLogger("apache_beam.runners").info("chatter of Beam")
logging.getLogger("apache_beam.runners").warning("warning of Beam, s3://KEY:SECRET@bucket/a")
"""


def run(script: str, *arguments: str) -> str:
    """What a script writes to its standard error stream."""
    command = [sys.executable, "-c", textwrap.dedent(script), *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True).stderr


def test_native_lines_and_those_of_children_go_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    log.write_text("own line\n")
    assert run(_SCRIPT, str(log)).splitlines() == ["before", "told", "native after", "after"]
    assert log.read_text().splitlines() == ["own line", "I0000 scann.cc:12] native", "of a child"]


def test_what_stands_in_for_stderr_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pipeline.execution.run_log import native_lines_in

    with native_lines_in(tmp_path / "run.log"):
        os.write(2, b"native\n")
        print("told", file=sys.stderr)
    assert capsys.readouterr().err == "told\n"
    assert (tmp_path / "run.log").read_text() == "native\n"


def test_the_log_has_the_lines_of_the_run_and_warnings_of_libraries(tmp_path: Path) -> None:
    log = tmp_path / "runs" / "run.log"
    assert run(_LOGGING, str(log), "normal") == ""
    told = log.read_text()
    assert "own line" in told
    assert "warning of Beam, s3://***@bucket/a" in told
    assert "chatter" not in told


def test_verbose_logs_and_shows_what_libraries_inform_about(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    shown = run(_LOGGING, str(log), "verbose")
    assert "chatter of Beam" in log.read_text()
    assert "chatter of Beam" in shown
    assert "own line" not in shown, "the display shows it"
    assert "SECRET" not in shown
