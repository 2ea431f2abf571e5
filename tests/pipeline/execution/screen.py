"""What a terminal shows: a process on a pseudo-terminal, and the few control sequences that rich uses."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

_TOKEN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+")


def on_a_terminal(script: str, *, columns: int = 80, rows: int = 40, **environment: str) -> str:
    """Everything that a script writes to its terminal, which is its standard error stream."""
    terminal, other_end = pty.openpty()
    fcntl.ioctl(other_end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    variables = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    variables |= {"TERM": "xterm", **environment}
    with subprocess.Popen([sys.executable, "-c", script], stderr=other_end, env=variables):
        os.close(other_end)
        written = b""
        try:
            while block := os.read(terminal, 65536):
                written += block
        except OSError:  # Linux's end of a terminal that nobody has open any more
            pass
    os.close(terminal)
    return written.decode()


def left_on_screen(written: str) -> list[str]:
    """The lines that stand on the screen, and above it, after all was written."""
    lines, row, column = [""], 0, 0
    for token in _TOKEN.findall(written):
        if token == "\r":
            column = 0
        elif token == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif not token.startswith("\x1b"):
            lines[row] = f"{lines[row][:column]:<{column}}{token}{lines[row][column + len(token) :]}"
            column += len(token)
        elif token.endswith("A"):
            row = max(0, row - int(token[2:-1] or 1))
        elif token == "\x1b[2K":
            lines[row] = ""
    return [line.rstrip() for line in lines if line.strip()]
