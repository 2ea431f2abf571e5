"""What rollbacks go back to, what they withdraw, and models of older releases."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dataplane.artifacts.document import JsonValue
from dataplane.artifacts.identity import Identity
from dataplane.errors import ConfigError
from serving.model.descriptions import DESCRIPTION
from serving.model.version_digests import write_digests
from serving.published.publishing import Publisher
from serving.published.rollbacks import (
    PublishedVersion,
    RollbackRecord,
    is_same_model,
    is_withdrawn,
    rollback_targets,
    withdrawn_by,
)
from tests.components.damage import DAMAGES
from tests.components.pusher.pushes import save_pair
from tests.serving.published.kills import Killed

pytestmark = pytest.mark.usefixtures("no_waiting_for_the_disk")


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path / "serving", "toy")


@pytest.fixture
def push(publisher: Publisher, tmp_path: Path) -> Callable[[str], int]:
    def publish(name: str) -> int:
        path = tmp_path / name
        pair = path if path.exists() else save_pair(path, name).path
        return publisher.publish(exact=pair / "exact", scann=pair / "scann", keep_versions=9).version

    return publish


def newest(publisher: Publisher) -> str:
    identity = publisher.versions()[-1].identity
    assert identity is not None
    return str(identity["towers"])


def test_what_was_rolled_back_from_is_not_gone_back_to_after_a_new_model(
    publisher: Publisher, push: Callable[[str], int]
) -> None:
    push("A")
    bad = push("B")
    publisher.rollback(None, keep_versions=9)
    push("C")
    assert publisher.rollback(None, keep_versions=9).new
    assert newest(publisher) == "A"
    with pytest.raises(ConfigError, match=rf"no version .* has an older model.* name its version: {bad}, "):
        publisher.rollback(None, keep_versions=9)
    pushed = publisher.versions()[-1].version
    assert (push("B"), newest(publisher)) == (pushed, "A"), "both stay out of service"
    publisher.rollback(bad, keep_versions=9)
    assert newest(publisher) == "B", "by its name it comes back"


def test_a_model_published_anew_since_is_gone_back_to(publisher: Publisher, push: Callable[[str], int]) -> None:
    push("A")
    push("B")
    publisher.rollback(None, keep_versions=9)
    for name in "CBD":
        push(name)
    for expected in "BCA":
        publisher.rollback(None, keep_versions=9)
        assert newest(publisher) == expected
    with pytest.raises(ConfigError):
        publisher.rollback(None, keep_versions=9)


def test_a_named_rollback_whose_version_has_gone_since_is_repeated_too(
    publisher: Publisher, push: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = push("A")
    push("B")
    with monkeypatch.context() as patch:
        patch.setattr(publisher.versions_of, "tidy", lambda models, *, suffix: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            publisher.rollback(first, keep_versions=2)
    done = publisher.rollback(first, keep_versions=2)
    assert (done.new, newest(publisher)) == (False, "A")
    with pytest.raises(ConfigError, match="no complete version"):
        publisher.rollback(first, keep_versions=2)


OLD: dict[str, JsonValue] = {"towers": "1f", "preprocessing": "2e", "catalogue": "3d", "candidates": 5, "top_k": 10}
"""An identity as older releases wrote it, of files."""
NEW: dict[str, JsonValue] = {**OLD, "towers": "content:4c", "preprocessing": "content:5b"}


def test_models_of_older_releases_are_known_by_their_embeddings() -> None:
    assert is_same_model(OLD, NEW)
    assert is_same_model(NEW, OLD)
    assert not is_same_model(OLD, {**NEW, "catalogue": "other"})
    assert not is_same_model(OLD, {**NEW, "top_k": 11})
    assert not is_same_model(NEW, {**NEW, "towers": "content:other"}), "weights decide among those that tell them"
    assert not is_same_model(OLD, {**OLD, "towers": "other"})
    assert not is_same_model({"towers": "1f"}, {"towers": "content:4c"}), "nothing else to know it by"
    assert not is_same_model(None, None)


def test_a_rollback_of_an_older_release_stands_against_the_same_model_of_this_one() -> None:
    record = RollbackRecord(of=1, withdrawn=(OLD,))
    assert is_withdrawn(NEW, record)
    there = [
        PublishedVersion(1, True, {**NEW, "catalogue": "first"}, None, None),
        PublishedVersion(2, True, OLD, None, None),
        PublishedVersion(3, True, {**NEW, "catalogue": "first"}, None, record),
        PublishedVersion(4, True, {**NEW, "catalogue": "last"}, None, None),
    ]
    assert [found.version for found in rollback_targets(there)] == [3, 1]
    assert withdrawn_by(there, there[2]) == [OLD, there[3].identity]


def test_the_standing_model_of_an_older_release_published_again_leaves_the_rollback_standing(
    publisher: Publisher, tmp_path: Path
) -> None:
    def push(name: str, identity: Identity) -> bool:
        pair = save_pair(tmp_path / name, name).path
        for model in (pair / "exact", pair / "scann"):
            description = json.loads((model / DESCRIPTION).read_text()) | {"identity": identity}
            (model / DESCRIPTION).write_text(json.dumps(description))
            write_digests(model)
        return publisher.publish(exact=pair / "exact", scann=pair / "scann", keep_versions=9).withdrawn

    bad = {"catalogue": "bad"}
    push("old", OLD)
    push("old bad", {**OLD, **bad})
    publisher.rollback(None, keep_versions=9)
    assert not push("new", NEW)
    assert publisher.versions()[-1].identity == NEW
    assert push("new bad", {**NEW, **bad}), "it was rolled back from"


def test_a_record_damaged_in_both_models_is_made_again(publisher: Publisher, push: Callable[[str], int]) -> None:
    push("A")
    push("B")
    back = publisher.rollback(None, keep_versions=9)
    for path in (back.exact, back.scann):
        DAMAGES["flip"](Path(path) / "assets.extra" / "rollback.json")
    pair = Path(publisher.directory).parent / "B"
    again = publisher.publish(exact=pair / "exact", scann=pair / "scann", keep_versions=9)
    assert (again.withdrawn, again.new, newest(publisher)) == (True, True, "A"), "B does not come back by damage"
    assert "is damaged (toy: assets.extra/rollback.json has changed since it was written" in again.notes[0]
    assert not publisher.damage(again.version)
