"""What is published, under which versions, and what is refused."""

import time
from pathlib import Path
from typing import Any

import pytest

from components.pusher import Pusher, PusherParams
from dataplane.artifacts import PushedModel, ServingModel
from dataplane.errors import RefusedError, RunError
from serving.model.descriptions import directory_digest
from serving.model.version_digests import write_digests
from serving.published.publishing import Publisher
from tests.components.pusher.pushes import push, save_pair, versions


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
def test_nothing_is_published_without_both_blessings(tmp_path: Path, verdicts: dict[str, Any], message: str) -> None:
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


def test_nothing_published_is_none(tmp_path: Path) -> None:
    assert Publisher(tmp_path, "toy").newest() is None


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
