"""A module that answers a task, for `test_processes`."""

import signal
import subprocess
import sys
import time
from typing import NoReturn

from benchmarks.harness.processes import answer
from benchmarks.harness.report import Record


class EchoTask(Record):
    text: str
    wait: bool = False


class Echo(Record):
    text: str
    terminated: bool = False


class _Terminated(Exception):
    pass


def echo(task: EchoTask) -> Echo:
    if task.text == "fail":
        raise ValueError("no such text")
    print("noise of this process")
    subprocess.run([sys.executable, "-c", "print('noise of a child')"], check=True)
    return _wait(task) if task.wait else Echo(text=task.text)


def _wait(task: EchoTask) -> Echo:
    def stop(*_: object) -> NoReturn:
        raise _Terminated

    signal.signal(signal.SIGTERM, stop)
    print("ready", file=sys.stderr, flush=True)
    try:
        time.sleep(60)
    except _Terminated:
        return Echo(text=task.text, terminated=True)
    return Echo(text=task.text)


if __name__ == "__main__":
    answer(EchoTask, echo)
