"""Pushes and rollbacks that are killed, that happen at once, and that are read meanwhile."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

from dataplane.errors import RunError
from serving.model.descriptions import directory_digest, read_identity
from serving.published.publishing import Publisher
from tests.components.pusher.pushes import push, save_pair, versions

_KILLED_PUSH = """
import os, pathlib, shutil, signal, sys
from serving.published.publishing import Publisher
operations = int(sys.argv[3])
def dying(function):
    def wrapper(*args, **kwargs):
        global operations
        if operations == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        operations -= 1
        return function(*args, **kwargs)
    return wrapper
pathlib.Path.rename = dying(pathlib.Path.rename)
pathlib.Path.mkdir = dying(pathlib.Path.mkdir)
shutil.copy2 = dying(shutil.copy2)
shutil.copytree.__kwdefaults__ = None
defaults = list(shutil.copytree.__defaults__)
defaults[2] = shutil.copy2
shutil.copytree.__defaults__ = tuple(defaults)
os.fsync = dying(os.fsync)
model, directory = map(pathlib.Path, sys.argv[1:3])
Publisher(directory, "toy").publish(exact=model / "exact", scann=model / "scann", keep_versions=1)
"""


def test_a_push_killed_anywhere_is_completed_by_the_next(tmp_path: Path) -> None:
    old, new = save_pair(tmp_path / "old", "old"), save_pair(tmp_path / "new", "new")
    halves = killed = 0
    for operations in range(0, 60, 2):
        directory = tmp_path / f"serving{operations}"
        push(old, directory)
        ended = subprocess.run([sys.executable, "-c", _KILLED_PUSH, new.path, directory, str(operations)]).returncode
        killed += ended == -signal.SIGKILL
        for model in ("toy", "toy-scann"):  # whatever is visible is whole
            name = "exact" if model == "toy" else "scann"
            for version in versions(directory, model):
                found = directory_digest(directory / model / str(version))
                assert found in {directory_digest(serving.path / name) for serving in (old, new)}
        before = set(versions(directory, "toy")) | set(versions(directory, "toy-scann"))
        halves += versions(directory, "toy")[-1] != versions(directory, "toy-scann")[-1]
        pushed = push(new, directory, keep_versions=1)
        assert versions(directory, "toy") == versions(directory, "toy-scann") == [pushed["version"]]
        assert pushed["version"] >= max(before)
        assert read_identity(Path(pushed["scann"])) == {"towers": "new"}
        assert [entry.name for entry in (directory / ".toy").iterdir()] == ["lock"]
        if ended == 0:
            break
    assert killed > 5
    assert halves > 0


_PUSH = """
import pathlib, sys
from serving.published.publishing import Publisher
model, directory = map(pathlib.Path, sys.argv[1:])
Publisher(directory, "toy").publish(exact=model / "exact", scann=model / "scann", keep_versions=100)
"""


def test_pushers_at_once_publish_one_after_the_other(tmp_path: Path) -> None:
    pairs = [save_pair(tmp_path / f"model{number}", f"identity {number}") for number in range(5)]
    directory = tmp_path / "serving"
    processes = [subprocess.Popen([sys.executable, "-c", _PUSH, pair.path, directory]) for pair in pairs]
    seen: set[str] = set()
    while any(process.poll() is None for process in processes):
        for model in directory.glob("toy*/[0-9]*"):
            seen.add(str(read_identity(model)["towers"]))  # a reader that polls never meets half a version
    assert [process.wait() for process in processes] == [0] * 5
    assert versions(directory, "toy") == versions(directory, "toy-scann")
    identities = {read_identity(directory / "toy" / str(version))["towers"] for version in versions(directory, "toy")}
    assert identities == {f"identity {number}" for number in range(5)}
    newest = Publisher(directory, "toy").newest()
    assert newest is not None
    assert read_identity(Path(newest.exact)) == read_identity(Path(newest.scann))


_KILLED_ROLLBACK = (
    _KILLED_PUSH.rpartition("Publisher(")[0] + 'Publisher(directory, "toy").rollback(None, keep_versions=5)'
)


def test_a_rollback_killed_anywhere_is_completed_by_the_next_or_by_a_push(tmp_path: Path) -> None:
    old, new = save_pair(tmp_path / "old", "old"), save_pair(tmp_path / "new", "new")
    killed = halves = 0
    for operations in range(0, 60, 2):
        directory = tmp_path / f"serving{operations}"
        pushed = [push(pair, directory)["version"] for pair in (old, new)]
        arguments = [sys.executable, "-c", _KILLED_ROLLBACK, "unused", str(directory), str(operations)]
        ended = subprocess.run(arguments).returncode
        killed += ended == -signal.SIGKILL
        is_half = versions(directory, "toy")[-1] != versions(directory, "toy-scann")[-1]
        halves += is_half
        if is_half:
            assert push(new, directory)["withdrawn"] is True
        else:
            Publisher(directory, "toy").rollback(pushed[0], keep_versions=5)
        newest = Publisher(directory, "toy").newest()
        assert newest is not None
        assert read_identity(Path(newest.exact)) == read_identity(Path(newest.scann)) == {"towers": "old"}
        assert versions(directory, "toy") == versions(directory, "toy-scann")
        assert [found.rollback.of for found in Publisher(directory, "toy").versions() if found.rollback] == pushed[:1]
        assert directory_digest(Path(newest.exact)) != directory_digest(Path(newest.scann))
        if ended == 0:
            break
    assert killed > 5
    assert halves > 0


def test_a_reader_never_sees_half_a_version_during_many_pushes_and_rollbacks(tmp_path: Path) -> None:
    directory = tmp_path / "serving"
    pairs = [save_pair(tmp_path / f"model{number}", f"identity {number}") for number in range(50)]
    done, seen, broken = threading.Event(), set(), []

    def poll() -> None:
        while not done.is_set():
            for model in directory.glob("toy*/[0-9]*"):
                try:
                    whose = str(read_identity(model)["towers"])
                    graph = (model / "saved_model.pb").read_text()
                    variables = (model / "variables" / "variables.index").read_text()
                except (FileNotFoundError, RunError):
                    if model.exists():  # otherwise it was removed, as a whole, while it was read
                        broken.append(model)
                    continue
                name = "scann" if model.parent.name.endswith("-scann") else "exact"
                if (graph, variables) != (f"{name} graph of {whose}", whose * 1000):
                    broken.append(model)
                seen.add(model.name)

    reader = threading.Thread(target=poll)
    reader.start()
    try:
        for number, pair in enumerate(pairs):
            push(pair, directory, keep_versions=3)
            if number % 5 == 4:
                Publisher(directory, "toy").rollback(None, keep_versions=3)
    finally:
        done.set()
        reader.join()
    assert not broken
    assert len(seen) > 5
