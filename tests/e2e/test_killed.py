"""Runs that are killed without notice, while they export and while they publish, and the one that completes them."""

from pathlib import Path

import pytest

from models.spec.digests import file_digest
from serving.model.descriptions import read_identity
from serving.model.identities import part_digest
from serving.model.version_digests import DIGESTS, changed_files
from serving.published.model_cards import CARD_FILES
from serving.published.publishing import Publisher
from tests.e2e.conftest import QUICK, killed_when

pytestmark = pytest.mark.e2e


def test_a_run_killed_in_the_export_and_in_the_push_is_completed(project):
    config = project.write_config(
        "killed",
        data={"interactions": {"format": "synthetic", "queries": 150, "candidates": 80, "events_per_query": 10}},
        features={"query": {"age": {"type": "numeric"}}},
        recommendations=None,
        **QUICK,
    )
    exports, serving = project.root / "killed" / "ScannIndexer", project.root / "serving"
    run = ("run", config, "--root", project.root)
    killed_when(lambda: exports.glob("*/serving_model/exact/variables"), *run)
    (half,) = exports.iterdir()
    assert Publisher(serving, "killed").versions() == []

    killed_when(lambda: [*serving.glob(".killed/staging/*"), *serving.glob("killed*/[0-9]*")], *run)
    (export,) = exports.iterdir()
    assert export != half
    for model, name in (("killed", "exact"), ("killed-scann", "scann")):  # what is there is whole
        for version in (serving / model).glob("[0-9]*"):
            assert exported(version) == exported(export / "serving_model" / name)

    project.run(config)
    assert project.states("killed")["ScannIndexer"] == "cached"
    (version,) = Publisher(serving, "killed").versions()
    assert version.complete
    pushed = project.pushed("killed")
    for name in ("exact", "scann"):
        assert changed_files(Path(pushed[name])) == []
        assert exported(Path(pushed[name])) == exported(export / "serving_model" / name)
    towers = part_digest(project.artifact("killed", "Trainer", "model").path / "towers")
    assert read_identity(Path(pushed["scann"]))["towers"] == towers
    assert [path.name for path in (serving / ".killed").iterdir()] == ["lock"]
    assert len(project.recommend("killed", "-k", "5")) == 5


def exported(model: Path) -> dict[str, str]:
    """Digests of the files of an export; a published version has its model card and their common digests besides."""
    added = {*CARD_FILES, DIGESTS}
    files = (path.relative_to(model) for path in model.rglob("*") if path.is_file() and path.name != "fingerprint.pb")
    return {str(path): file_digest(model / path) for path in files if path not in added}
