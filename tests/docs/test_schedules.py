"""What schedulers start are commands that there are, and systemd's own tool accepts its units."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.cli import build_parser
from tests.paths import PROJECT

SCHEDULES = PROJECT / "tfx_config" / "schedules"
UNITS = sorted((SCHEDULES / "systemd").iterdir())


def commands() -> list[str]:
    """The arguments of every command line of this program in the files for cron, systemd and Kubernetes."""
    found = []
    for file in (SCHEDULES / "crontab", *UNITS):
        lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
        found += [words for line in lines for words in re.findall(r"-m pipeline ([^&]+)", line)]
    (job,) = yaml.safe_load_all((SCHEDULES / "kubernetes.yaml").read_text())
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    return [*found, shlex.join(container["args"])]


@pytest.mark.parametrize("command", commands())
def test_what_is_started_is_a_command(command: str) -> None:
    assert build_parser().parse_args(shlex.split(command)).execute


def test_every_schedule_trains_and_tidies_up() -> None:
    verbs = [command.split()[0] for command in commands()]
    assert (verbs.count("run"), verbs.count("clean")) == (3, 2)


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze, which is in the package systemd")
    for unit in UNITS:
        text = re.sub(r"/srv/recommender/\S*/python", sys.executable, unit.read_text())
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", *(tmp_path / unit.name for unit in UNITS)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
