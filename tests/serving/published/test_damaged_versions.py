"""Published and exported models whose files have changed since they were written."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.pusher import Pusher, PusherParams
from dataplane.artifacts import PushedModel
from dataplane.errors import ConfigError, RefusedError, RunError
from dataplane.files import objects
from serving.model.version_digests import DIGESTS, PROMISE
from serving.published.publishing import Publisher
from tests.components.damage import DAMAGES, flip
from tests.components.pusher.pushes import push, save_pair

FILES = (
    "saved_model.pb",
    "variables/variables.index",
    "assets.extra/model.json",
    "assets.extra/digests.json",
    "assets.extra/rollback.json",
)


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "serving"


def current(directory: Path, tmp_path: Path) -> bool:
    pusher = Pusher(PusherParams(directory=str(directory), name="toy"))
    return pusher.is_current(Pusher.Outputs(PushedModel(tmp_path / "pushed")))


@pytest.mark.parametrize("file", FILES[:-1])
@pytest.mark.parametrize("half", ["toy", "toy-scann"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_version_is_published_anew_and_told(
    directory: Path, tmp_path: Path, damage: Callable[[Path], None], half: str, file: str
) -> None:
    serving = save_pair(tmp_path / "model", "first")
    first = push(serving, directory)
    assert current(directory, tmp_path)
    damage(directory / half / str(first["version"]) / file)
    assert not current(directory, tmp_path), "the cache must not stand for it"
    again = push(serving, directory)
    assert (again["new"], again["version"] > first["version"], again["identity"]) == (True, True, first["identity"])
    assert again["told"].startswith(f"version {first['version']} is damaged ({half}: {file} ")
    assert again["told"].endswith(f"; the model was published again as version {again['version']}")
    publisher = Publisher(directory, "toy")
    assert [bool(publisher.damage(found.version)) for found in publisher.versions()] == [True, False]
    assert current(directory, tmp_path)
    assert (push(serving, directory)["new"], len(publisher.versions())) == (False, 2)


def test_a_file_more_is_damage_too(directory: Path, tmp_path: Path) -> None:
    serving = save_pair(tmp_path / "model", "first")
    pushed = push(serving, directory)
    (Path(pushed["exact"]) / "assets").mkdir()
    (Path(pushed["exact"]) / "assets" / "more").write_text("not of this model")
    assert "toy: assets/more was added" in push(serving, directory)["told"]


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_export_is_not_published_and_can_be_made_anew(
    directory: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    push(save_pair(tmp_path / "old", "old"), directory)
    for half in ("exact", "scann"):
        for file in FILES[:-1]:
            serving = save_pair(tmp_path / "new", "new")
            damage(serving.path / half / file)
            with pytest.raises(
                RefusedError,
                match=rf"not published: the exported model is damaged: {half}/{file} (is missing|has changed .*); "
                f"remove {serving.path} and run the same command again",
            ):
                push(serving, directory)
            shutil.rmtree(serving.path)
    assert len(Publisher(directory, "toy").versions()) == 1


def test_a_rollback_passes_over_what_is_damaged_and_refuses_it_by_name(directory: Path, tmp_path: Path) -> None:
    pushed = [push(save_pair(tmp_path / name, name), directory) for name in ("A", "B", "C")]
    (Path(pushed[1]["scann"]) / "variables" / "variables.index").unlink()
    publisher = Publisher(directory, "toy")
    with pytest.raises(RefusedError, match=rf"version {pushed[1]['version']} is damaged: toy-scann: variables/vari"):
        publisher.rollback(pushed[1]["version"], keep_versions=9)
    back = publisher.rollback(None, keep_versions=9)
    assert publisher.identity(back.version) == {"towers": "A"}
    assert back.notes == (
        f"version {pushed[1]['version']} is damaged (toy-scann: variables/variables.index is missing) and was skipped",
    )
    for path in (pushed[0]["exact"], back.exact):
        flip(Path(path) / "saved_model.pb")
    push(save_pair(tmp_path / "D", "D"), directory)
    flip(Path(pushed[2]["exact"]) / "saved_model.pb")
    with pytest.raises(RefusedError, match="no whole version to go back to"):
        publisher.rollback(None, keep_versions=9)


@pytest.mark.parametrize("file", FILES)
def test_a_damaged_rollback_is_published_anew_from_what_it_was_of(directory: Path, tmp_path: Path, file: str) -> None:
    old, new = save_pair(tmp_path / "old", "old"), save_pair(tmp_path / "new", "new")
    push(old, directory)
    push(new, directory)
    publisher = Publisher(directory, "toy")
    back = publisher.rollback(None, keep_versions=9)
    flip(Path(back.exact) / file)
    again = push(new, directory)
    assert (again["withdrawn"], again["new"], again["identity"]) == (True, True, {"towers": "old"})
    assert f"version {back.version} is damaged (toy: {file}" in again["told"]
    assert publisher.versions()[-1].rollback == publisher.versions()[-2].rollback
    assert push(new, directory)["version"] == again["version"], "and it stands"


def test_a_damaged_rollback_that_is_nowhere_whole_is_refused(directory: Path, tmp_path: Path) -> None:
    old, new = save_pair(tmp_path / "old", "old"), save_pair(tmp_path / "new", "new")
    first = push(old, directory)
    push(new, directory)
    back = Publisher(directory, "toy").rollback(None, keep_versions=9)
    for path in (first["exact"], back.exact):
        flip(Path(path) / "saved_model.pb")
    with pytest.raises(
        RefusedError, match=rf"version {back.version}, which a rollback published, is damaged or incomplete"
    ):
        push(new, directory)


def test_what_both_models_tell_is_taken_from_the_one_that_is_whole(directory: Path, tmp_path: Path) -> None:
    pushed = push(save_pair(tmp_path / "model", "first"), directory)
    description = Path(pushed["exact"]) / "assets.extra" / "model.json"
    description.write_text(description.read_text().replace("first", "other"))
    publisher = Publisher(directory, "toy")
    assert publisher.identity(pushed["version"]) == {"towers": "first"}
    flip(Path(pushed["scann"]) / "assets.extra" / "model.json")
    assert publisher.versions()[0].identity is None
    with pytest.raises(RunError, match="has no readable identity: the version is damaged"):
        publisher.identity(pushed["version"])
    with pytest.raises(RefusedError, match="is damaged"):
        publisher.rollback(pushed["version"], keep_versions=9)


def test_a_damaged_refresh_gives_way_to_its_model(directory: Path, tmp_path: Path) -> None:
    trained = save_pair(tmp_path / "1" / "model", "trained")
    push(trained, directory)
    refreshed = save_pair(tmp_path / "2" / "model", "refreshed", refresh_of="trained")
    published = push(refreshed, directory)
    flip(Path(published["scann"]) / "saved_model.pb")
    assert not current(directory, tmp_path / "1")
    assert "with its refreshed index: run `refresh-index` again" in push(trained, directory)["told"]
    again = push(refreshed, directory)
    assert (again["new"], again["told"]) == (True, "")
    flip(Path(again["scann"]) / "saved_model.pb")
    told = push(refreshed, directory)["told"]
    assert f"version {again['version']} is damaged" in told
    assert "refresh-index" not in told


def unprotected(path: Path, identity: str) -> dict[str, Any]:
    """A pair as older releases exported it."""
    serving = save_pair(path, identity)
    for name in ("exact", "scann"):
        model = serving.path / name
        (model / DIGESTS).unlink()
        description = model / "assets.extra" / "model.json"
        description.write_text(description.read_text().replace(f', "digests": "{PROMISE["digests"]}"', ""))
    return {name: serving.path / name for name in ("exact", "scann")}


def test_what_an_older_release_published_is_used_and_a_rollback_to_it_has_digests(
    directory: Path, tmp_path: Path
) -> None:
    publisher = Publisher(directory, "toy")
    old = publisher.publish(**unprotected(tmp_path / "old", "old"), keep_versions=9)
    assert (publisher.has_digests(old.version), publisher.damage(old.version)) == (False, [])
    new = publisher.publish(**unprotected(tmp_path / "new", "new"), keep_versions=9)
    assert publisher.publish(**unprotected(tmp_path / "again", "new"), keep_versions=9).version == new.version
    back = publisher.rollback(None, keep_versions=9)
    assert (publisher.has_digests(back.version), publisher.damage(back.version)) == (True, [])
    (Path(back.exact) / DIGESTS).unlink()
    assert publisher.damage(back.version) == [f"toy: {DIGESTS} is missing"]
    (Path(old.exact) / "saved_model.pb").unlink()
    assert publisher.damage(old.version) == ["toy: saved_model.pb is missing"]
    with pytest.raises(RefusedError, match=r"saved_model\.pb is missing"):
        publisher.rollback(old.version, keep_versions=9)


@pytest.fixture(params=["s3", "gs"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return str(request.getfixturevalue(f"{request.param}_bucket")) + "/models"


def cut(location: str) -> None:
    objects.write_bytes(location, objects.read_bytes(location)[:-1])


def test_damage_in_an_object_store_is_found_whatever_is_in_the_cache(bucket: str, tmp_path: Path) -> None:
    old, new = save_pair(tmp_path / "old", "old"), save_pair(tmp_path / "new", "new")
    first, second = push(old, bucket), push(new, bucket)
    publisher = Publisher(bucket, "toy")
    publisher.fetch(second["version"])
    cut(f"{second['scann']}/variables/variables.index")
    again = push(new, bucket)
    assert f"version {second['version']} is damaged (toy-scann: variables/variables.index has changed" in again["told"]
    cut(f"{first['exact']}/assets.extra/model.json")
    with pytest.raises(RefusedError, match=rf"toy: version {first['version']} is damaged: toy: assets.extra/model"):
        publisher.rollback(first["version"], keep_versions=9)
    objects.delete(f"{again['exact']}/saved_model.pb")
    completed = push(new, bucket)
    assert publisher.damage(completed["version"]) == []
    assert publisher.versions()[-1].complete


def test_a_copy_that_has_changed_is_downloaded_again(bucket: str, tmp_path: Path) -> None:
    pushed = push(save_pair(tmp_path / "model", "first"), bucket)
    publisher = Publisher(bucket, "toy")
    copy, _ = publisher.fetch(pushed["version"])
    whole = (copy / "saved_model.pb").read_bytes()
    flip(copy / "saved_model.pb")
    assert (publisher.fetch(pushed["version"])[0] / "saved_model.pb").read_bytes() == whole


def test_a_rollback_in_an_object_store_that_was_killed_is_completed(
    s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bucket = f"{s3_bucket}/models"
    for name in ("A", "B", "C"):
        push(save_pair(tmp_path / name, name), bucket)
    publisher = Publisher(bucket, "toy")

    def killed(models: object, *, suffix: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(publisher.versions_of, "tidy", killed)
        with pytest.raises(KeyboardInterrupt):
            publisher.rollback(None, keep_versions=9)
    done = publisher.rollback(None, keep_versions=9)
    assert (done.new, publisher.identity(done.version)) == (False, {"towers": "B"})
    assert done.notes == (f"the interrupted rollback is now complete: version {done.version}",)
    assert publisher.identity(publisher.rollback(None, keep_versions=9).version) == {"towers": "A"}
    with pytest.raises(ConfigError):
        publisher.rollback(None, keep_versions=9)
