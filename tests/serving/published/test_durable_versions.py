"""What is published outlives a loss of power: files before what names them, and then the names."""

import fcntl
import os
import threading
from pathlib import Path

import pytest

from serving.published import local_versions
from serving.published.models_config import write_models_config
from serving.published.publishing import Publisher
from tests.components.pusher.pushes import save_pair


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """Syncs and renames in their order, with the path synced or renamed to."""
    found: list[tuple[str, Path]] = []
    fsync, rename, replace = os.fsync, os.rename, os.replace

    def synced(descriptor: int) -> None:
        found.append(("sync", Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    def renamed(source: Path, target: Path) -> None:
        rename(source, target)
        found.append(("rename", Path(target)))

    def replaced(source: Path, target: Path) -> None:
        replace(source, target)
        found.append(("rename", Path(target)))

    for name, function in (("fsync", synced), ("rename", renamed), ("replace", replaced)):
        monkeypatch.setattr(os, name, function)
    return found


def test_a_version_is_on_the_disk_before_its_name_and_its_name_before_the_end(
    tmp_path: Path, events: list[tuple[str, Path]]
) -> None:
    serving, directory = save_pair(tmp_path / "model", "first"), tmp_path / "far" / "away"
    publication = Publisher(directory, "toy").publish(
        exact=serving.path / "exact", scann=serving.path / "scann", keep_versions=3
    )
    for model in ("toy", "toy-scann"):
        version = directory / model / str(publication.version)
        place = events.index(("rename", version))
        staged = directory / ".toy" / "staging" / f"{model}.{publication.version}"
        for path in [version, *version.rglob("*")]:
            assert ("sync", staged / path.relative_to(version)) in events[:place], path
        assert ("sync", version.parent) in events[place:], "the name of the version"
    made = (tmp_path, tmp_path / "far", directory)
    assert {("sync", path) for path in made} <= {*events}, "the names of the directories that were made"
    place = events.index(("rename", directory / "models.config"))
    written = [path.name for kind, path in events[:place] if kind == "sync" and path.parent == directory]
    assert written[-1].startswith(".models.config."), "the content before the name"
    assert ("sync", directory) in events[place:]


def test_a_rollback_s_note_is_on_the_disk_before_anything_is_published(
    tmp_path: Path, events: list[tuple[str, Path]]
) -> None:
    publisher = Publisher(tmp_path / "serving", "toy")
    for name in ("first", "second"):
        pair = save_pair(tmp_path / name, name).path
        publisher.publish(exact=pair / "exact", scann=pair / "scann", keep_versions=3)
    events.clear()
    back = publisher.rollback(None, keep_versions=3)
    hidden, version = tmp_path / "serving" / ".toy", Path(back.exact)
    place = events.index(("rename", hidden / "note"))
    assert ("sync", hidden / "staging" / "note") in events[:place]
    assert events.index(("sync", hidden), place) < events.index(("rename", version))


def test_models_config_is_written_by_one_pipeline_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("toy", "shop"):
        (tmp_path / name / "1").mkdir(parents=True)
    writing, may_go_on = threading.Event(), threading.Event()
    replace = Path.replace

    def held(source: Path, target: Path) -> Path:
        writing.set()
        assert may_go_on.wait(60)
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", held)
    first = threading.Thread(target=write_models_config, args=(tmp_path,), kwargs={"suffix": "-scann"})
    first.start()
    try:
        assert writing.wait(60)
        other = os.open(tmp_path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(other)
    finally:
        may_go_on.set()
        first.join()
    assert (tmp_path / "models.config").exists()


def test_publishers_of_one_name_wait_for_each_other(tmp_path: Path) -> None:
    versions = local_versions.LocalVersions(tmp_path, "toy")
    with versions.publishing(), (tmp_path / ".toy" / "lock").open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
