"""The records are sound wherever a process is killed, shown with steps that take no time."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.execution.metadata import Store
from tests.e2e.crashing import count_accesses
from tests.paths import PROJECT
from tests.pipeline.execution.test_runner import Session, make_pipeline


def run_first(root: Path) -> None:
    Session(root).run()


def run_changed(root: Path) -> None:
    Session(root).run(make_pipeline(amount=2))


def clean(root: Path) -> None:
    assert main(["clean", "toy", "--keep-runs", "1", "--root", str(root)]) == 0


def nothing(root: Path) -> None:
    root.mkdir()


def several(root: Path) -> None:
    for amount in (1, 2, 3):
        Session(root).run(make_pipeline(amount=amount))


def damaged(root: Path) -> None:
    session = Session(root)
    session.run()
    (session.store.output(session.executions["Add"], "statistics") / "number.json").write_text("9\n")
    finish = session.store.execution_directory("Finish", session.executions["Finish"].id)
    (finish / "manifest.json").write_text("{")


CASES: dict[str, tuple[Callable[[Path], None], Callable[[Path], None]]] = {
    "run": (nothing, run_first),
    "run changed": (run_first, run_changed),
    "run over damage": (damaged, run_first),
    "clean": (several, clean),
}


def content(root: Path) -> dict[str, Any]:
    store, found = Store(root, "toy"), {}
    for execution in (it for node in store.nodes() for it in store.executions(node) if not store.damage(it)):
        found[f"{execution.node} {execution.fingerprint}"] = {
            path: digest for path, digest in execution.digests.items() if not path.endswith("resumed.json")
        }
    return found


def leftovers(root: Path) -> list[str]:
    unfinished = [it for it in root.glob("toy/[A-Z]*/*") if not (it / "manifest.json").exists()]
    return [str(it) for it in [*unfinished, *root.glob("toy/runs/.*"), *root.glob("toy/*/*/.*")]]


def in_child(root: Path, act: Callable[[Path], None], at: int) -> tuple[int, int]:
    """Runs something in a fork of this process; returns its exit code and how many files it accessed."""
    counted = root.with_name("counted")
    child = os.fork()
    if child == 0:
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123
        count = count_accesses(str(root), at)
        try:
            act(root)
            counted.write_text(str(count[0]))
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), int(counted.read_text()) if counted.exists() else 0


def kill_everywhere(directory: Path, case: str, times: int) -> None:
    """Kills a case at so many of its accesses to files, evenly; prints what went wrong as JSON."""
    os.fsync = lambda fd: None  # it is the process that ends, not the machine
    prepare, act = CASES[case]
    root, before = directory / "root", directory / "before"
    prepare(root)
    shutil.copytree(root, before, symlinks=True)
    code, accesses = in_child(root, act, 0)
    assert code == 0
    expected, wrong = content(root), []
    for at in sorted({1 + number * (accesses - 1) // max(times - 1, 1) for number in range(times)}):
        shutil.rmtree(root)
        shutil.copytree(before, root, symlinks=True)
        code, _ = in_child(root, act, at)
        if code != -signal.SIGKILL:
            wrong.append(f"{at} of {accesses}: not killed but {code}")
        again, _ = in_child(root, act, 0)
        if again != 0 or content(root) != expected or leftovers(root):
            wrong.append(f"{at} of {accesses}: {again}, {content(root)}, {leftovers(root)}")
    print(json.dumps({"accesses": accesses, "wrong": wrong}))


def killed(directory: Path, case: str, times: int) -> dict[str, Any]:
    """Does it in a process that has no threads, so that it can be forked."""
    script = f"""
from pathlib import Path
from tests.pipeline.execution.test_crashes import kill_everywhere
kill_everywhere(Path({str(directory)!r}), {case!r}, {times})
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", CASES)
def test_killed_at_ten_accesses_and_given_again_it_comes_to_the_same(tmp_path, case):
    found = killed(tmp_path, case, 10)
    assert found["accesses"] > 30
    assert found["wrong"] == []


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_so_it_does_at_each_access(tmp_path, case):
    assert killed(tmp_path, case, 10_000)["wrong"] == []
