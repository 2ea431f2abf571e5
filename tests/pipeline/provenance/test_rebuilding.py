"""Components are made from records alone, with the versions that were published then."""

from pathlib import Path
from typing import Any

import pytest

from components.trainer import TrainerParams
from dataplane.errors import RunError
from pipeline.execution.metadata import Execution, Run, Store
from pipeline.provenance.rebuilding import Remake, VersionsUntil


def publish(directory: Path, *versions: int) -> None:
    for version in versions:
        for model in ("shop", "shop-scann"):
            (directory / model / str(version)).mkdir(parents=True)
            (directory / model / str(version) / "saved_model.pb").touch()


@pytest.mark.parametrize(("last", "newest"), [(0, None), (1, 1), (2, 1), (3, 3), (9, 5)])
def test_later_versions_are_not_seen(tmp_path: Path, last: int, newest: int | None) -> None:
    publish(tmp_path, 1, 3, 5)
    published = VersionsUntil(tmp_path, "shop", last)
    found = published.newest()
    assert (found.version if found else None) == newest
    complete = published.newest_complete()
    assert (complete.version if complete else None) == newest
    assert published.is_gone == (newest != (last or None))
    if newest:
        assert published.fetch(newest)[0] == tmp_path / "shop" / str(newest)


def recorded(component: str, params: dict[str, Any]) -> Execution:
    return Execution(component, "1", component, "f" * 64, {}, ["model"], params, {}, {}, "1", "", 1.0)


def test_recorded_parameters_give_the_same_component(tmp_path: Path) -> None:
    params = TrainerParams(seed=7).model_dump(mode="json")
    made = Remake(Store(tmp_path, "toy"), Run("1", "toy.yaml", 1))(recorded("Trainer", params))
    assert type(made).__name__ == "Trainer"
    assert made.params == TrainerParams(seed=7)


@pytest.mark.parametrize(
    ("component", "change", "told"),
    [
        ("Invented", {}, "this release has no component Invented"),
        ("Trainer", {"training": {"distribution": "multi_worker"}}, "trained on several machines"),
        ("Trainer", {"invented": 1}, "does not understand the parameters of Trainer/1: unknown key 'invented'"),
    ],
)
def test_what_cannot_be_made_is_told(tmp_path: Path, component: str, change: dict[str, Any], told: str) -> None:
    remake = Remake(Store(tmp_path, "toy"), Run("1", "toy.yaml", 1))
    with pytest.raises(RunError, match=told):
        remake(recorded(component, change))
