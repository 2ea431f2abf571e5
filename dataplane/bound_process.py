"""Processes that end with the one that started them, however that one ends: by a kill as well."""

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
    """The command that starts `command` as a process that the kernel kills when its parent is gone.

    To the kernel the parent is a thread: the one that starts the process has to live as long as the process.
    """
    return [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), *command]


def end_with_parent(parent: int) -> None:
    """Has the kernel kill this process when the thread that started it is gone.

    Args:
        parent: id of the parent's process; if it is gone already, this process ends here.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
