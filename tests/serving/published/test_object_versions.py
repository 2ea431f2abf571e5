import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.pusher import PushConfig
from dataplane.errors import RunError
from dataplane.files import objects, storage
from serving.model.descriptions import directory_digest, read_identity
from serving.published.object_versions import ObjectVersions
from serving.published.publishing import Publisher
from tests.components.pusher.pushes import push, save_pair

MODELS = ("toy", "toy-scann")


@pytest.fixture(params=["s3", "gs"])
def directory(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return request.getfixturevalue(f"{request.param}_bucket") + "/models"


@pytest.fixture
def s3(s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return f"{s3_bucket}/models"


def versions(directory: str, model: str) -> list[int]:
    return sorted(ObjectVersions(directory, "toy").numbers(model))


def test_a_pair_is_published_whole_and_only_once(directory: str, tmp_path: Path) -> None:
    serving = save_pair(tmp_path / "model", "first")
    pushed = push(serving, directory)
    assert pushed["exact"] == f"{directory}/toy/{pushed['version']}"
    assert (pushed["new"], pushed["identity"]) == (True, {"towers": "first"})
    again = push(serving, directory)
    assert (again["new"], again["version"]) == (False, pushed["version"])
    exact, scann = Publisher(directory, "toy").fetch(pushed["version"])
    assert directory_digest(exact) == directory_digest(serving.path / "exact")
    assert directory_digest(scann) == directory_digest(serving.path / "scann")
    assert f'base_path: "{directory}/toy"' in objects.read_bytes(f"{directory}/models.config").decode()


def test_old_versions_go_and_a_rollback_comes_back(directory: str, tmp_path: Path) -> None:
    pairs = [save_pair(tmp_path / f"model{number}", f"identity {number}") for number in range(3)]
    pushed = [push(pair, directory, keep_versions=2)["version"] for pair in pairs]
    assert pushed == sorted(set(pushed))
    assert versions(directory, "toy") == versions(directory, "toy-scann") == pushed[1:]
    assert storage.list_files(f"{directory}/toy/{pushed[0]}") == []
    publisher = Publisher(directory, "toy")
    back = publisher.rollback(None, keep_versions=2)
    assert back.version > pushed[-1]
    assert read_identity(publisher.fetch(back.version)[1]) == {"towers": "identity 1"}
    assert push(pairs[2], directory)["withdrawn"] is True


_KILLED = """
import os, pathlib, signal, sys
from dataplane.files import objects
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
for name in ("upload", "write_bytes", "delete", "delete_tree"):
    setattr(objects, name, dying(getattr(objects, name)))
model = pathlib.Path(sys.argv[1])
Publisher(sys.argv[2], "toy").publish(exact=model / "exact", scann=model / "scann", keep_versions=1)
"""


def test_a_push_killed_anywhere_leaves_whole_versions_and_is_completed(s3: str, tmp_path: Path) -> None:
    old, new = save_pair(tmp_path / "old", "old"), save_pair(tmp_path / "new", "new")
    halves = killed = 0
    for operations in (0, 3, 5, 8, 9):
        directory = f"{s3}/{operations}"
        push(old, directory)
        ended = subprocess.run([sys.executable, "-c", _KILLED, new.path, directory, str(operations)]).returncode
        killed += ended == -signal.SIGKILL
        for model in MODELS:
            name = "exact" if model == "toy" else "scann"
            for version in versions(directory, model):
                found = directory_digest(ObjectVersions(directory, "toy").fetch(model, version))
                assert found in {directory_digest(serving.path / name) for serving in (old, new)}
        halves += versions(directory, "toy")[-1] != versions(directory, "toy-scann")[-1]
        before = versions(directory, "toy")[-1]
        pushed = push(new, directory, keep_versions=1)
        assert versions(directory, "toy") == versions(directory, "toy-scann") == [pushed["version"]]
        assert pushed["version"] >= before
    assert killed > 3
    assert halves > 0


def test_leftovers_are_no_versions_and_go_after_a_day(s3: str, tmp_path: Path) -> None:
    long_ago, lately = int(time.time()) - 90_000, int(time.time()) - 1000
    for version in (long_ago, lately):
        objects.write_bytes(f"{s3}/toy/{version}/variables/variables.index", b"half")
        objects.write_bytes(f"{s3}/.toy/claims/{version}-somebody", b"")
    assert Publisher(s3, "toy").versions() == []
    assert Publisher(s3, "toy").newest() is None
    pushed = push(save_pair(tmp_path / "model", "first"), s3)
    assert versions(s3, "toy") == [pushed["version"]]
    assert objects.list_directories(f"{s3}/toy") == [str(lately), str(pushed["version"])]
    left = [file.location.rpartition("/")[2] for file in storage.list_files(f"{s3}/.toy/claims")]
    assert f"{lately}-somebody" in left
    assert f"{long_ago}-somebody" not in left


def test_nobody_claims_a_number_that_another_has(s3: str) -> None:
    def claim(_: int) -> int:
        return ObjectVersions(s3, "toy").new_number(MODELS)

    with ThreadPoolExecutor(4) as threads:
        claimed = list(threads.map(claim, range(8)))
    assert len(set(claimed)) == 8
    assert ObjectVersions(s3, "toy").new_number(MODELS) > max(claimed)


def test_pushers_at_once_publish_different_versions(s3: str, tmp_path: Path) -> None:
    pairs = [save_pair(tmp_path / f"model{number}", f"identity {number}") for number in range(3)]
    command = [sys.executable, "-c", _KILLED.replace("keep_versions=1", "keep_versions=9")]
    processes = [subprocess.Popen([*command, pair.path, s3, "-1"]) for pair in pairs]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert versions(s3, "toy") == versions(s3, "toy-scann")
    there = Publisher(s3, "toy").versions()
    assert {found.identity["towers"] for found in there if found.identity} == {f"identity {n}" for n in range(3)}


def test_copies_are_kept_as_long_as_their_version(s3: str, tmp_path: Path) -> None:
    publisher = Publisher(s3, "toy")
    first = push(save_pair(tmp_path / "first", "first"), s3, keep_versions=1)["version"]
    copy, _ = publisher.fetch(first)
    (copy / "marker").write_text("not downloaded again")
    assert (publisher.fetch(first)[0] / "marker").exists()
    second = push(save_pair(tmp_path / "second", "second"), s3, keep_versions=1)["version"]
    publisher.fetch(second)
    assert not copy.exists()
    assert not copy.with_suffix(".json").exists()
    with pytest.raises(RunError, match="no longer exists"):
        publisher.fetch(first)


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """URIs of the objects that were downloaded."""
    found: list[str] = []

    def counting(uri: str, target: Path, download: Callable[[str, Path], None] = objects.download) -> None:
        found.append(uri)
        download(uri, target)

    monkeypatch.setattr(objects, "download", counting)
    return found


def test_a_whole_version_is_downloaded_to_be_checked_once(directory: str, tmp_path: Path, downloads: list[str]) -> None:
    serving = save_pair(tmp_path / "model", "first")
    pushed = push(serving, directory)
    files = sorted(file.location for model in MODELS for file in storage.list_files(f"{directory}/{model}"))
    for _ in range(3):
        assert push(serving, directory)["new"] is False
        assert Publisher(directory, "toy").damage(pushed["version"]) == []
    assert sorted(downloads) == files
    downloads.clear()
    Publisher(directory, "toy").fetch(pushed["version"])
    Publisher(directory, "toy").fetch(pushed["version"])
    assert sorted(downloads) == files


def test_processes_that_fetch_at_once_share_a_download(s3: str, tmp_path: Path, downloads: list[str]) -> None:
    version = push(save_pair(tmp_path / "model", "first"), s3)["version"]
    with ThreadPoolExecutor(4) as pool:
        copies = set(pool.map(lambda _: Publisher(s3, "toy").fetch(version), range(4)))
    assert len(copies) == 1
    assert len(downloads) == len(set(downloads)) > 0


def test_a_damaged_version_is_downloaded_once_and_again_when_it_has_changed(
    directory: str, tmp_path: Path, downloads: list[str]
) -> None:
    pushed = push(save_pair(tmp_path / "model", "first"), directory)
    index = f"{pushed['exact']}/variables/variables.index"
    whole = objects.read_bytes(index)
    Publisher(directory, "toy").damage(pushed["version"])
    objects.write_bytes(index, whole[::-1])  # of the same size
    versions_of = ObjectVersions(directory, "toy")
    for _ in range(3):  # as a server that cannot load it does every minute
        downloads.clear()
        copy = versions_of.fetch("toy", pushed["version"])
        assert (copy / "variables" / "variables.index").read_bytes() == whole[::-1]
        assert versions_of.check("toy", pushed["version"]) == [
            "variables/variables.index has changed since it was written"
        ]
    assert downloads == []
    objects.write_bytes(index, whole)
    assert versions_of.check("toy", pushed["version"]) == []
    assert len(downloads) == len(storage.list_files(pushed["exact"])), "the other half is as it was"
    assert (versions_of.fetch("toy", pushed["version"]) / "variables" / "variables.index").read_bytes() == whole


def test_a_record_that_cannot_be_read_counts_as_none(s3: str, tmp_path: Path, downloads: list[str]) -> None:
    pushed = push(save_pair(tmp_path / "model", "first"), s3)
    versions_of = ObjectVersions(s3, "toy")
    copy = versions_of.fetch("toy", pushed["version"])
    downloads.clear()
    copy.with_suffix(".json").write_text("{}")
    assert versions_of.check("toy", pushed["version"]) == []
    assert downloads


def test_a_store_that_refuses_is_told(s3: str, tmp_path: Path) -> None:
    nowhere = s3.replace("bucket-", "no-bucket-")
    with pytest.raises(RunError, match=r"no-bucket-.* cannot be (listed|written)"):
        push(save_pair(tmp_path / "model", "first"), nowhere)


@pytest.mark.parametrize("directory", ["https://host/models", "s3:///models", "s3://key:secret@bucket/models"])
def test_other_targets_are_refused_before_anything_runs(directory: str) -> None:
    with pytest.raises(ValueError, match=r"not supported|bucket|credentials"):
        PushConfig(directory=directory)
