"""The tutorial's commands do what the tutorial says that they do."""

import os
import re
import socket
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.docs.blocks import Block, blocks
from tests.paths import PROJECT

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TUTORIAL = list(blocks(PROJECT / "docs/tutorial.md"))
INSTALLS = ("make .venv", ". .venv/bin/activate")
PAIRS = [(block, after) for block, after in pairwise(TUTORIAL) if block.language == "sh" and after.language == "text"]
END = "@@ end of a block"


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[Block, str]:
    """What each block of commands printed, in one shell from the first to the last."""
    directory = tmp_path_factory.mktemp("tutorial")
    (directory / "examples").symlink_to(PROJECT / "examples")
    executed = [block for block in TUTORIAL if block.language == "sh" and not block.text.startswith(INSTALLS)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    script = "set -m\n" + "".join(f"{block.text}echo '{END}'\n" for block in executed)
    script = script.replace("serve movies", f"serve movies --port {port}").replace(
        "localhost:8501", f"localhost:{port}"
    )
    (directory / "tutorial.sh").write_text(script, encoding="utf-8")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "tutorial.sh"],
        cwd=directory,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1500,
    )
    (directory / "printed.txt").write_text(done.stdout, encoding="utf-8")
    outputs = done.stdout.split(f"{END}\n")
    assert len(outputs) == len(executed) + 1, done.stdout
    return dict(zip(executed, outputs, strict=False))


@pytest.mark.parametrize(("block", "shown"), PAIRS, ids=lambda block: str(block))
def test_commands_print_what_is_shown(block: Block, shown: Block, printed: dict[Block, str]) -> None:
    is_answer = " recommend " in block.text
    assert_printed(untitled(shown.text) if is_answer else shown.text, printed[block])


@pytest.mark.parametrize(("command", "title"), [("run", "Verdict"), ("recommend", "answers")])
def test_the_readme_shows_what_these_commands_print(command: str, title: str, printed: dict[Block, str]) -> None:
    (shown,) = (block.text for block in blocks(PROJECT / "README.md") if title in block.text)
    output = next(text for block, text in printed.items() if f" {command} movies" in block.text)
    assert_printed(untitled(shown).replace("/mine-", "/movies-"), output)


def assert_printed(shown: str, output: str) -> None:
    """The lines are among those of the output, in their order."""
    rest = iter([masked(line) for line in output.splitlines()])
    for line in shown.splitlines():
        if line == "…":
            continue
        wanted = masked(line.partition("…")[0] if line.endswith("…") else line)
        assert any(wanted in found for found in rest), f"{line!r} is not printed (or not there):\n{output}"


def test_no_command_fails_but_the_refused_one(printed: dict[Block, str]) -> None:
    errors = [line for text in printed.values() for line in text.splitlines() if re.match(r"error|Traceback", line)]
    assert [error.partition(":")[2].partition(":")[0] for error in errors] == [" Pusher refused"]


def untitled(shown: str) -> str:
    """The rows of an answer up to their ids: which candidates are answered differs from run to run, as numbers do."""
    return re.sub(r"(?m)^(  .*\d)  +[^\d\s].*$", r"\1…", shown)


def masked(line: str) -> str:
    """The line without numbers and choices, which differ from run to run, and with single blanks."""
    line = line.replace("brute_force", "tree")
    return " ".join(re.sub(r"\b[0-9a-f]{10}\b|\d{8}T[\d.]+Z-[0-9a-f]{4}|[-+]?\d[\d.,:TZ+-]*", "0", line).split())
