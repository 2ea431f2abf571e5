"""A process that has imported all that a run needs and forks a child for each command, to be killed on the way.

Usage: python -m tests.e2e.crashing ROOT. It reads one JSON object a line: `arguments` of the command, and `at`, the
number of the access to a file below ROOT at which the child is killed (0: never); it answers with the child's process
id, and when the child has ended with `code` (negative: the signal), the number of such accesses, and standard error.
"""

import contextlib
import io
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

_ACCESSES = frozenset(
    {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.scandir"}
)


def count_accesses(root: str, at: int) -> list[int]:
    """Counts this process's accesses to files below a directory, before they are made; kills it at one of them."""
    count = [0]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _ACCESSES and any(_is_below(root, path) for path in arguments[:2]):
            count[0] += 1
            if count[0] == at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return count


def _is_below(root: str, path: object) -> bool:
    if isinstance(path, bytes | os.PathLike):
        path = os.fsdecode(path)
    return isinstance(path, str) and path.startswith(root)


def run(arguments: list[str], root: str, at: int, report: Path) -> None:
    """Runs a command in this process, which then ends."""
    from pipeline.cli import main

    count, told = count_accesses(root, at), io.StringIO()
    code = 1
    try:
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            code = main(arguments)
    except BaseException:
        told.write(traceback.format_exc())
    report.write_text(json.dumps({"accesses": count[0], "told": told.getvalue()}))
    os._exit(code)  # a child of a fork leaves what it inherited alone


def serve(root: str) -> None:
    """Answers until its input ends."""
    import apache_beam  # noqa: F401
    import scann  # noqa: F401
    import tensorflow  # noqa: F401

    report = Path(f"{root}.report")
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        report.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            run(asked["arguments"], root, asked["at"], report)
        print(child, flush=True)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        found = json.loads(report.read_text()) if report.exists() else {"accesses": 0, "told": ""}
        print(json.dumps({"code": code, **found}), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
