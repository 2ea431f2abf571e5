"""Takes the pictures of the README: the screen of a run, and the head of its report.

    python -m tools.pictures

It runs tfx_config/quickstart.yaml in a temporary directory, and needs Chromium.
"""

import fcntl
import io
import itertools
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Sequence
from pathlib import Path

import pyte
from pyte.screens import Char
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tools.chromium import CHROMIUM

_PROJECT = Path(__file__).parents[1]
_PICTURES = _PROJECT / "docs/pictures"
_LAST_LINE = "Published"  # what follows are paths of this machine
_SHAPING = ("NO_COLOR", "COLUMNS", "LINES")  # would be taken for the terminal's
_REPORT = (1280, 1000)  # pixels


def final_screen(command: Sequence[str], *, columns: int = 100, rows: int = 80) -> list[Text]:
    """Runs a command in a terminal, and returns the lines that it leaves there.

    Raises:
        CalledProcessError: the command failed; its screen is the output.
    """
    screen = pyte.Screen(columns, rows)
    stream = pyte.ByteStream(screen)
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in _SHAPING} | {"TERM": "xterm-256color"}
    process = subprocess.Popen(  # noqa: S603
        command, stdin=end, stdout=end, stderr=end, cwd=_PROJECT, env=environment
    )
    os.close(end)
    while shown := _read(terminal):
        stream.feed(shown)
    os.close(terminal)
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, command, "\n".join(screen.display))
    lines = [_line([screen.buffer[row][column] for column in range(columns)]) for row in range(rows)]
    while lines and not lines[-1]:
        del lines[-1]
    return lines


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux ends a terminal that nobody writes to any more with EIO
        return b""


def _line(characters: Sequence[Char]) -> Text:
    line = Text()
    for style, same in itertools.groupby(characters, _style):
        line.append("".join(character.data for character in same), style)
    line.rstrip()
    return line


def _style(character: Char) -> Style:
    color = {"default": None, "brown": "yellow"}.get(character.fg, character.fg)
    return Style(color=color, bold=character.bold or None)


def screen_picture(lines: Sequence[Text], file: Path, *, title: str, columns: int = 100) -> None:
    """Writes lines of a terminal as SVG."""
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True)
    for line in lines:
        console.print(line)
    svg = console.export_svg(title=title, unique_id=file.stem)
    file.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL))  # no fonts from the network


def page_picture(page: Path, file: Path) -> None:
    """Writes the head of a page as PNG, seen in Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        width, height = _REPORT
        view = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
        view.goto(page.as_uri())
        view.screenshot(path=file)
        browser.close()


def main() -> None:
    """Runs the quick start and takes its pictures."""
    _PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as root:
        arguments = ["run", "tfx_config/quickstart.yaml"]
        lines = final_screen([sys.executable, "-m", "pipeline", *arguments, "--root", root])
        last = next(number for number, line in enumerate(lines) if line.plain.startswith(_LAST_LINE))
        title = f"python -m pipeline {' '.join(arguments)}"
        screen_picture(lines[: last + 1], _PICTURES / "run.svg", title=title)
        page_picture(next(Path(root).glob("*/runs/*.html")), _PICTURES / "report.png")


if __name__ == "__main__":
    main()
