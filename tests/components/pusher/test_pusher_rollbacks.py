"""Rollbacks, and what may be pushed after them."""

from pathlib import Path

import pytest

from components.pusher import Pusher, PusherParams
from dataplane.artifacts import PushedModel
from dataplane.errors import ConfigError, RefusedError
from serving.model.descriptions import read_identity
from serving.published.publishing import Publisher
from tests.components.pusher.pushes import push, save_pair, versions


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
