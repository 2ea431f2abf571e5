import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from components.base import ExecutionContext
from components.pusher import Pusher, PusherParams
from dataplane.artifacts import Blessing, InfraBlessing, PushedModel, ServingModel
from dataplane.errors import ConfigError, RefusedError, RunError
from serving.model.descriptions import directory_digest, read_identity
from serving.model.version_digests import PROMISE, write_digests
from serving.published.publishing import Publisher


def save_pair(path: Path, identity: str, *, refresh_of: str | None = None) -> ServingModel:
    """Directories that look like SavedModels, with digests."""
    description = {"identity": {"towers": identity}, "refresh_of": refresh_of and {"towers": refresh_of}} | PROMISE
    for name in ("exact", "scann"):
        model = path / name
        (model / "variables").mkdir(parents=True)
        (model / "saved_model.pb").write_text(f"{name} graph of {identity}")
        (model / "variables" / "variables.index").write_text(identity * 1000)
        (model / "assets.extra").mkdir()
        (model / "assets.extra" / "model.json").write_text(json.dumps(description))
        write_digests(model)
    return ServingModel(path)


def push(
    serving: ServingModel, directory: Path | str, *, blessed: bool = True, infra: bool = True, **params: Any
) -> Any:
    scratch = serving.path.parent / "verdicts"
    blessing, infra_blessing = Blessing(scratch), InfraBlessing(scratch)
    blessing.write_json("blessing.json", {"blessed": blessed})
    infra_blessing.write_json("infra_blessing.json", {"blessed": infra})
    pushed = PushedModel(serving.path.parent / "pushed")
    Pusher(PusherParams.model_validate({"directory": directory, "name": "toy", **params})).execute(
        Pusher.Inputs(serving, blessing, infra_blessing), Pusher.Outputs(pushed), ExecutionContext()
    )
    return pushed.read_json("pushed.json")


def versions(directory: Path, model: str) -> list[int]:
    return sorted(int(entry.name) for entry in (directory / model).iterdir())


def test_a_pair_is_published_under_one_version(tmp_path: Path) -> None:
    serving = save_pair(tmp_path / "model", "first")
    before = int(time.time())
    pushed = push(serving, tmp_path / "serving")
    assert before <= pushed["version"] <= time.time()
    assert pushed["identity"] == {"towers": "first"}
    for name, model in (("exact", "toy"), ("scann", "toy-scann")):
        published = tmp_path / "serving" / model / str(pushed["version"])
        assert pushed[name] == str(published)
        assert directory_digest(published) == directory_digest(serving.path / name)
    assert sorted(entry.name for entry in (tmp_path / "serving").iterdir()) == [
        ".toy",
        "models.config",
        "toy",
        "toy-scann",
    ]


def test_the_same_model_is_not_published_twice(tmp_path: Path) -> None:
    serving = save_pair(tmp_path / "model", "first")
    first, second = push(serving, tmp_path / "serving"), push(serving, tmp_path / "serving")
    assert (first["new"], second["new"]) == (True, False)
    assert second["version"] == first["version"]
    assert len(versions(tmp_path / "serving", "toy")) == 1


def test_versions_increase_also_against_the_clock(tmp_path: Path) -> None:
    future = 10**11
    (tmp_path / "serving" / "toy" / str(future)).mkdir(parents=True)
    assert push(save_pair(tmp_path / "model", "first"), tmp_path / "serving")["version"] == future + 1
    again = push(save_pair(tmp_path / "other", "second"), tmp_path / "serving")
    assert again["version"] == future + 2
    back = push(ServingModel(tmp_path / "model"), tmp_path / "serving")
    assert (back["version"], back["new"]) == (future + 3, True)


def test_only_the_newest_versions_stay(tmp_path: Path) -> None:
    for number in range(4):
        serving = save_pair(tmp_path / f"model{number}", f"identity {number}")
        newest = push(serving, tmp_path / "serving", keep_versions=2)["version"]
    assert versions(tmp_path / "serving", "toy") == versions(tmp_path / "serving", "toy-scann")
    assert len(versions(tmp_path / "serving", "toy")) == 2
    assert versions(tmp_path / "serving", "toy")[-1] == newest


@pytest.mark.parametrize(
    ("verdicts", "message"),
    [({"blessed": False}, "the evaluation did not bless"), ({"infra": False}, "infra validation did not bless")],
)
def test_nothing_is_published_without_both_blessings(tmp_path: Path, verdicts: dict[str, bool], message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        push(save_pair(tmp_path / "model", "first"), tmp_path / "serving", **verdicts)
    assert not (tmp_path / "serving").exists()


def test_models_of_different_exports_are_refused(tmp_path: Path) -> None:
    serving = save_pair(tmp_path / "model", "first")
    (serving.path / "scann" / "assets.extra" / "model.json").write_text('{"identity": {"towers": "second"}}')
    write_digests(serving.path / "scann")
    with pytest.raises(RunError, match="identities differ"):
        push(serving, tmp_path / "serving")


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "serving").write_text("a file")
    with pytest.raises(RunError, match=r"cannot publish to .*serving"):
        push(save_pair(tmp_path / "model", "first"), tmp_path / "serving")


def test_a_name_that_could_be_taken_for_the_other_models_is_refused() -> None:
    with pytest.raises(ValueError, match="must not end in '-scann'"):
        PusherParams.model_validate({"name": "toy-scann"})


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


def test_nothing_published_is_none(tmp_path: Path) -> None:
    assert Publisher(tmp_path, "toy").newest() is None


def test_a_rollback_publishes_the_old_content_as_a_new_version(tmp_path: Path) -> None:
    directory = tmp_path / "serving"
    pairs = {name: save_pair(tmp_path / name, name) for name in ("first", "second", "third")}
    first, second, third = (push(pair, directory)["version"] for pair in pairs.values())
    publisher = Publisher(directory, "toy")
    back = publisher.rollback(None, keep_versions=10)
    assert (back.new, back.version > third) == (True, True)
    for name, model in (("exact", "toy"), ("scann", "toy-scann")):
        published = directory / model / str(back.version)
        assert (published / "saved_model.pb").read_text() == f"{name} graph of second"
        assert read_identity(published) == {"towers": "second"}
    further = publisher.rollback(None, keep_versions=10)  # not forth again
    assert read_identity(Path(further.exact)) == {"towers": "first"}
    assert publisher.rollback(first, keep_versions=10).new is False
    assert [found.rollback.of for found in publisher.versions() if found.rollback] == [second, first]
    with pytest.raises(ConfigError, match="has an older model to go back to"):
        publisher.rollback(None, keep_versions=10)
    with pytest.raises(ConfigError, match=f"no complete version 7 in .*serving, only {first}, {second}, {third}, "):
        publisher.rollback(7, keep_versions=10)
    assert versions(directory, "toy") == versions(directory, "toy-scann")


def test_a_model_rolled_back_from_is_not_pushed_again_but_a_new_one_is(tmp_path: Path) -> None:
    directory = tmp_path / "serving"
    first, second, third = (save_pair(tmp_path / name, name) for name in ("first", "second", "third"))
    push(first, directory)
    bad = push(second, directory)
    publisher = Publisher(directory, "toy")
    back = publisher.rollback(None, keep_versions=5)
    again = push(second, directory)
    assert (again["version"], again["new"], again["withdrawn"]) == (back.version, False, True)
    assert again["identity"] == {"towers": "first"}
    assert push(first, directory)["version"] == back.version
    forth = publisher.rollback(bad["version"], keep_versions=5)
    assert push(second, directory)["version"] == forth.version
    newest = push(third, directory)
    assert (newest["new"], newest["withdrawn"]) == (True, False)
    assert push(second, directory)["new"] is True  # the rollback is history


def test_a_step_that_was_rolled_back_is_asked_again_once(tmp_path: Path) -> None:
    directory = tmp_path / "serving"
    pusher = Pusher(PusherParams(directory=directory, name="toy"))
    outputs = Pusher.Outputs(PushedModel(tmp_path / "pushed"))
    push(save_pair(tmp_path / "first", "first"), directory)
    second = save_pair(tmp_path / "second", "second")
    push(second, directory)
    assert pusher.is_current(outputs)
    Publisher(directory, "toy").rollback(None, keep_versions=5)
    assert not pusher.is_current(outputs)
    push(second, directory)
    assert pusher.is_current(outputs)


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


def is_current(serving: ServingModel, directory: Path) -> bool:
    pusher = Pusher(PusherParams(directory=directory, name="toy"))
    return pusher.is_current(Pusher.Outputs(PushedModel(serving.path.parent / "pushed")))


def test_a_refreshed_index_takes_the_place_of_its_model_until_there_is_another(tmp_path: Path) -> None:
    directory = tmp_path / "serving"
    trained = save_pair(tmp_path / "1" / "model", "trained")
    push(trained, directory)
    first = push(save_pair(tmp_path / "2" / "model", "first", refresh_of="trained"), directory)
    second = push(save_pair(tmp_path / "3" / "model", "second", refresh_of="trained"), directory)
    assert (first["new"], second["new"]) == (True, True)
    assert is_current(trained, directory), "the next run must not publish the old catalogue again"
    other = save_pair(tmp_path / "4" / "model", "other")
    push(other, directory)
    assert not is_current(trained, directory)
    with pytest.raises(RefusedError, match=r"was refreshed is no longer the newest in .*; refresh again"):
        push(save_pair(tmp_path / "5" / "model", "third", refresh_of="trained"), directory)
    assert is_current(other, directory)


def test_a_refreshed_index_is_no_way_round_a_rollback(tmp_path: Path) -> None:
    directory = tmp_path / "serving"
    push(save_pair(tmp_path / "1" / "model", "old"), directory)
    bad = save_pair(tmp_path / "2" / "model", "bad")
    push(bad, directory)
    Publisher(directory, "toy").rollback(None, keep_versions=9)
    with pytest.raises(RefusedError, match="refresh again"):
        push(save_pair(tmp_path / "3" / "model", "refreshed bad", refresh_of="bad"), directory)
    refreshed = push(save_pair(tmp_path / "4" / "model", "refreshed", refresh_of="old"), directory)
    assert refreshed["new"] is True
    again = push(bad, directory)
    assert (again["withdrawn"], again["version"]) == (True, refreshed["version"]), "bad was rolled back from"
    back = Publisher(directory, "toy").rollback(None, keep_versions=9)
    assert read_identity(Path(back.exact)) == {"towers": "old"}
