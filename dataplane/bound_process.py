"""Starts processes that end with their parent, even if the parent is killed."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_LAUNCH = f"""import ctypes, os, sys
ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, {int(signal.SIGKILL)})
os.getppid() == int(sys.argv[1]) or sys.exit("the parent is gone")
os.execvp(sys.argv[2], sys.argv[2:])"""


def bound(command: list[str]) -> list[str]:
    """Wraps `command` so that the kernel kills the process when its parent ends.

    To the kernel, the parent is the thread that starts the process, so this thread must outlive the process.
    """
    return [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), *command]


def end_with_parent(parent: int) -> None:
    """Makes the kernel kill this process when the thread that started it ends.

    Args:
        parent: id of the parent process; if it has ended already, this process ends at once.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
