"""Model cards of published versions: in both models, with digests, and whole or not at all."""

from contextlib import suppress
from pathlib import Path

import pytest

from dataplane.files import objects
from serving.published.model_cards import CARD_FILES, CARD_JSON
from serving.published.published_versions import Publication
from serving.published.publishing import Publisher
from tests.components.damage import flip
from tests.components.pusher.pushes import save_pair
from tests.serving.published.kills import Killed, killed_after

pytestmark = pytest.mark.usefixtures("no_waiting_for_the_disk")


def publish(publisher: Publisher, pair: Path, card: str | None) -> Publication:
    files = None if card is None else {file: f"{card} {file.suffix}".encode() for file in CARD_FILES}
    return publisher.publish(exact=pair / "exact", scann=pair / "scann", keep_versions=9, card=files)


def cards(publisher: Publisher, version: int) -> list[str | None]:
    """The cards of both models without their endings."""
    found = [publisher.versions_of.read(model, version, file) for model in publisher.models for file in CARD_FILES]
    return [None if content is None else content.decode().rpartition(" ")[0] for content in found]


@pytest.fixture(params=["local", "s3", "gs"])
def publisher(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if request.param == "local":
        return Publisher(tmp_path / "serving", "toy")
    return Publisher(str(request.getfixturevalue(f"{request.param}_bucket")) + "/models", "toy")


def harm(publisher: Publisher, version: int) -> None:
    """Changes the card of the exact model."""
    where = f"{publisher.versions_of.where('toy', version)}/{CARD_JSON.as_posix()}"
    if "://" in where:
        objects.write_bytes(where, objects.read_bytes(where)[:-1])
    else:
        flip(Path(where))


def test_a_version_has_the_card_in_both_models_and_its_change_is_damage(publisher: Publisher, tmp_path: Path) -> None:
    pair = save_pair(tmp_path / "model", "first").path
    first = publish(publisher, pair, "one")
    assert cards(publisher, first.version) == ["one"] * 4
    assert publisher.damage(first.version) == []
    harm(publisher, first.version)
    assert publisher.damage(first.version) == [f"toy: {CARD_JSON.as_posix()} has changed since it was written"]
    again = publish(publisher, pair, "two")
    assert again.new
    assert cards(publisher, again.version) == ["two"] * 4


def test_a_rollback_has_the_card_of_its_model(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "serving", "toy")
    for name in ("old", "new"):
        publish(publisher, save_pair(tmp_path / name, name).path, f"of {name}")
    back = publisher.rollback(None, keep_versions=9)
    assert cards(publisher, back.version) == ["of old"] * 4
    assert publisher.damage(back.version) == []


def test_a_published_version_keeps_its_card_or_none(tmp_path: Path) -> None:
    publisher, pair = Publisher(tmp_path / "serving", "toy"), save_pair(tmp_path / "model", "first").path
    first = publish(publisher, pair, None)
    assert (cards(publisher, first.version), publisher.damage(first.version)) == ([None] * 4, [])
    later = publish(publisher, pair, "one")
    assert (later.version, later.new, later.has_other_card) == (first.version, False, True)
    assert cards(publisher, first.version) == [None] * 4
    other = save_pair(tmp_path / "other", "second").path
    assert not publish(publisher, other, "one").has_other_card
    assert not publish(publisher, other, "one").has_other_card
    assert publish(publisher, other, "two").has_other_card


def test_a_push_killed_anywhere_leaves_both_models_with_one_card(tmp_path: Path) -> None:
    pair, kept = save_pair(tmp_path / "model", "first").path, set()
    for changes in range(200):
        publisher = Publisher(tmp_path / f"serving{changes}", "toy")
        with suppress(Killed), killed_after(changes):
            publish(publisher, pair, "before")
            break
        half = publisher.versions()
        pushed = publish(publisher, pair, "after")
        wanted = "before" if half else "after"
        assert cards(publisher, pushed.version) == [wanted] * 4
        assert publisher.damage(pushed.version) == []
        kept.add(wanted)
    assert kept == {"before", "after"}
