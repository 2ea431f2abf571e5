"""Which code decides about a component's results, and is therefore in its cache key."""

import shutil
from pathlib import Path

import pytest

from pipeline.execution.fingerprint import code_digests
from tests.contracts.test_components import NAMES
from tests.paths import PROJECT

PACKAGES = ("components", "serving", "dataplane", "models")
EVERYWHERE = {"components", "dataplane", "dataplane.artifacts", "models", "models.spec"}
"""The contract of components, artifacts and contexts, and checked settings."""
READING = {
    "dataplane.columns",
    "dataplane.files",
    "dataplane.sources",
    "dataplane.sources.formats",
    "dataplane.sources.ingestion",
}
ENCODED = {"dataplane.columns", "dataplane.dataset", "models.preprocessing", "models.saved_models"}
RANKED = {"models.events", "models.ranking", "serving", "serving.model"}
ROOMS = {
    "example_gen": READING | {"dataplane.sources.spans"},
    "statistics_gen": {"dataplane.columns", "dataplane.files", "dataplane.statistics"},
    "schema_gen": {"dataplane.statistics"},
    "example_validator": {"dataplane.statistics"},
    "transform": ENCODED | {"dataplane.files"},
    "trainer": {
        "dataplane.dataset",
        "models.events",
        "models.losses",
        "models.negatives",
        "models.ranking",
        "models.saved_models",
        "models.towers",
        "models.training",
    },
    "evaluator": ENCODED | RANKED | {"dataplane.files"},
    "scann_indexer": ENCODED | RANKED | {"dataplane.files", "models.retrieval"},
    "infra_validator": (ENCODED - {"models.preprocessing"}) | RANKED,
    "pusher": {
        "dataplane.files",
        "models.saved_models",
        "serving",
        "serving.changes",
        "serving.model",
        "serving.published",
    },
    "bulk_inferrer": ENCODED | RANKED,
    "embedding_exporter": ENCODED | RANKED,
    "catalogue_gen": READING | ENCODED,
    "attribute_gen": READING | ENCODED | {"models.retrieval", "serving", "serving.model"},
}
"""Rooms in the key of each component, besides its own and those that are everywhere."""
READERS = {"example_gen", "catalogue_gen", "attribute_gen"}


def contract(name: str) -> str:
    return f"components.{name}.component"


def room_of(file: str) -> str:
    return file.rpartition("/")[0].replace("/", ".")


@pytest.mark.parametrize("name", NAMES)
def test_only_rooms_that_can_change_a_result_are_in_the_key(name: str) -> None:
    rooms = {room_of(file) for file in code_digests(contract(name))}
    assert rooms == {f"components.{name}"} | EVERYWHERE | ROOMS[name]


def invalidated(project: Path, file: str, addition: str) -> set[str]:
    """Components whose key changes where `addition` is added to the end of a file."""
    for package in PACKAGES:
        shutil.copytree(PROJECT / package, project / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (project / file).open("a", encoding="utf-8") as source:
        source.write(addition)
    return {name for name in NAMES if code_digests(contract(name), project) != code_digests(contract(name))}


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("dataplane/beam_runner/base.py", set()),
        ("dataplane/beam_runner/java.py", set()),
        ("dataplane/beam_runner/local.py", set()),
        ("dataplane/errors/__init__.py", set()),
        ("dataplane/errors/credentials.py", set()),
        ("dataplane/errors/storage_errors.py", set()),
        ("dataplane/sources/formats/sniff.py", set()),
        ("serving/server/rest.py", set()),
        ("serving/published/object_versions.py", {"pusher"}),
        ("serving/published/publishing.py", {"pusher"}),
        ("dataplane/files/storage.py", READERS | {"pusher"}),
        ("dataplane/artifacts/pushed_model.py", {"pusher"}),
        ("dataplane/artifacts/anomalies.py", {"example_validator"}),
        ("dataplane/artifacts/blessing.py", {"evaluator", "pusher"}),
        ("dataplane/sources/formats/csv_rows.py", READERS),
        ("dataplane/statistics/anomalies.py", {"example_validator"}),
        ("dataplane/dataset/encoding.py", {"transform", "catalogue_gen"}),
        ("components/transform/splits.py", {"transform"}),
        ("models/losses/softmax.py", {"trainer"}),
        ("models/training/batches.py", {"trainer"}),
        ("models/retrieval/index.py", {"scann_indexer", "attribute_gen"}),
        ("models/ranking/baselines.py", {"evaluator"}),
        ("components/base.py", set(NAMES)),
    ],
)
def test_a_change_invalidates_what_it_can_change_and_nothing_else(
    file: str, expected: set[str], tmp_path: Path
) -> None:
    assert invalidated(tmp_path, file, "\nADDED = 1\n") == expected


@pytest.mark.parametrize("addition", ["\n# Only said.\n", '\n"""Only said."""\n'])
def test_a_comment_invalidates_nothing(addition: str, tmp_path: Path) -> None:
    assert invalidated(tmp_path, "components/base.py", addition) == set()
