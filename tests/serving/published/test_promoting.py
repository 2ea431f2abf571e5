"""Labels of published versions: given, moved, taken away, kept by retention, in spite of kills and other writers."""

import threading
from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from dataplane.errors import ConfigError, RefusedError
from dataplane.files import storage
from serving.published.labels import labels_by_version
from serving.published.promoting import Promoter
from serving.published.publishing import Publisher
from tests.components.pusher.pushes import save_pair
from tests.serving.published.kills import Killed, killed_after
from tests.stored import read

pytestmark = pytest.mark.usefixtures("no_waiting_for_the_disk")


@pytest.fixture(params=["local", "s3"])
def target(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where models are published."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return str(tmp_path / "serving") if request.param == "local" else request.getfixturevalue("s3_bucket") + "/models"


def publish(target: str, scratch: Path, identity: str, *, keep_versions: int = 9) -> int:
    model = scratch / identity
    if not model.exists():
        save_pair(model, identity)
    return (
        Publisher(target, "toy")
        .publish(exact=model / "exact", scann=model / "scann", keep_versions=keep_versions)
        .version
    )


def configured(target: str) -> dict[str, tuple[list[int], dict[str, int]]]:
    """Versions and labels of each model in `models.config`, those in comments included."""
    text = read(storage.join(target, "models.config")).decode().replace("  # ", "  ")
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    return {
        model.name: (list(model.model_version_policy.specific.versions), dict(model.version_labels))
        for model in config.model_config_list.config
    }


def test_a_label_is_given_moved_and_taken_away(target: str, tmp_path: Path) -> None:
    first, second, third = (publish(target, tmp_path, name) for name in "ABC")
    promoter = Promoter(target, "toy")
    assert configured(target)["toy"] == ([], {})
    assert promoter.promote(first, "stable") is None
    assert promoter.promote(second, "canary") is None
    assert promoter.versions_of.labels() == {"canary": second, "stable": first}
    everything = ([first, second, third], {"stable": first, "canary": second})
    assert configured(target) == {"toy": everything, "toy-scann": everything}
    assert promoter.promote(second, "stable") == first
    assert promoter.promote(second, "stable") == second
    assert labels_by_version(promoter.versions_of.labels()) == {second: ["canary", "stable"]}
    assert promoter.withdraw("canary") == second
    assert configured(target)["toy"] == ([second, third], {"stable": second})
    with pytest.raises(ConfigError, match="no version has the label 'canary'; labels there are: stable"):
        promoter.withdraw("canary")


def test_retention_and_rollback_keep_versions_with_labels(target: str, tmp_path: Path) -> None:
    first = publish(target, tmp_path, "A")
    promoter, publisher = Promoter(target, "toy"), Publisher(target, "toy")
    promoter.promote(first, "stable")
    second, third = (publish(target, tmp_path, name, keep_versions=1) for name in "BC")
    assert [found.version for found in publisher.versions()] == [first, third]
    promoter.promote(third, "canary")
    back = publisher.rollback(first, keep_versions=1)
    assert [found.version for found in publisher.versions()] == [first, third, back.version]
    assert back.notes == (f"version {third} was rolled back and still has the label canary: `promote` another",)
    promoter.withdraw("canary")
    publish(target, tmp_path, "D", keep_versions=1)
    assert next(found.version for found in publisher.versions()) == first
    assert second not in publisher.versions_of.numbers("toy")


def test_what_cannot_be_served_gets_no_label(target: str, tmp_path: Path) -> None:
    first = publish(target, tmp_path, "A")
    promoter = Promoter(target, "toy")
    with pytest.raises(ConfigError, match=f"no complete version 7 in .*, only {first}"):
        promoter.promote(7, "stable")
    for label in ("", "../x", "7", "a b", "x" * 64, ".stable"):
        with pytest.raises(ConfigError, match="a label has up to 63 letters"):
            promoter.promote(first, label)
    assert promoter.versions_of.labels() == {}


def test_a_damaged_version_gets_no_label(tmp_path: Path) -> None:
    first = publish(str(tmp_path / "serving"), tmp_path, "A")
    (tmp_path / "serving" / "toy" / str(first) / "saved_model.pb").write_text("harmed")
    promoter = Promoter(tmp_path / "serving", "toy")
    with pytest.raises(RefusedError, match=f"version {first} is damaged: toy: saved_model.pb"):
        promoter.promote(first, "stable")
    assert promoter.versions_of.labels() == {}


def test_a_promotion_that_is_killed_anywhere_is_done_or_not_and_can_be_repeated(tmp_path: Path) -> None:
    directory = str(tmp_path / "serving")
    first, second = (publish(directory, tmp_path, name) for name in "AB")
    promoter = Promoter(directory, "toy")
    promoter.promote(first, "stable")
    seen = set()
    for changes in range(100):
        try:
            with killed_after(changes):
                promoter.promote(second, "stable")
        except Killed:
            seen.add(promoter.versions_of.labels()["stable"])
            assert configured(directory)["toy"][1]["stable"] in (first, second)
            promoter.promote(first, "stable")
            assert configured(directory)["toy"][1] == {"stable": first}
        else:
            break
    assert seen == {first, second}
    assert configured(directory)["toy"][1] == {"stable": second}


def test_two_writers_at_once_lose_nothing(target: str, tmp_path: Path) -> None:
    first, second = (publish(target, tmp_path, name) for name in "AB")
    for label, version in (("before", first), ("after", second)):  # so that retention removes neither
        Promoter(target, "toy").promote(version, label)

    def write(label: str) -> None:
        for version in (first, second) * 2:
            Promoter(target, "toy").promote(version, label)

    writers = [threading.Thread(target=write, args=(label,)) for label in ("stable", "canary")]
    for writer in writers:
        writer.start()
    for name in "CDE":
        publish(target, tmp_path, name, keep_versions=1)
    for writer in writers:
        writer.join()
    labels = Promoter(target, "toy").versions_of.labels()
    assert labels == {"stable": second, "canary": second, "before": first, "after": second}
    Promoter(target, "toy").promote(second, "stable")
    assert configured(target)["toy"][1] == labels
    assert len(Publisher(target, "toy").versions_of.numbers("toy")) == 3
