"""Pictures of a terminal show what a command left there, and load nothing."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tools.pictures import final_screen, screen_picture

PROGRAM = r"""
import shutil, sys
assert sys.stderr.isatty()
print("bar 10 %", end="\r")
print(f"\x1b[32m✓\x1b[0m done at {shutil.get_terminal_size().columns} columns")
"""


def test_the_final_screen_has_what_was_overwritten_last_in_its_colors() -> None:
    [line] = final_screen([sys.executable, "-c", PROGRAM], columns=60)
    assert line.plain == "✓ done at 60 columns"
    assert [(span.start, span.end) for span in line.spans if str(span.style) == "green"] == [(0, 1)]


def test_a_failed_command_has_no_picture() -> None:
    with pytest.raises(subprocess.CalledProcessError) as failure:
        final_screen([sys.executable, "-c", "print('refused'); raise SystemExit(3)"])
    assert failure.value.output.startswith("refused")


def test_a_picture_is_text_that_loads_nothing(tmp_path: Path) -> None:
    file = tmp_path / "run.svg"
    screen_picture(final_screen([sys.executable, "-c", PROGRAM]), file, title="a < b")
    shown = "".join(ElementTree.parse(file).getroot().itertext()).replace("\xa0", " ")
    assert "a < b" in shown
    assert "done at 100 columns" in shown
    assert "url(" not in file.read_text().replace("url(#", "")
