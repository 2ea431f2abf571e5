"""Each file of each artifact of a finished run, flipped, cut and deleted: it is noticed, named, and made again."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.execution.metadata import Execution, Store
from serving.published.publishing import Publisher
from tests.components.damage import DAMAGES, cut, flip
from tests.e2e.conftest import QUICK, Project, cli

pytestmark = pytest.mark.e2e

ASKED = ("recommend", "tampered", "--json", "--query-id", "q7")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Path]:
    """A finished run and its configuration; every test leaves it as it was."""
    project = Project(tmp_path_factory.mktemp("tampered"))
    config = project.write_config(
        "tampered",
        data={"interactions": {"format": "synthetic", "queries": 150, "candidates": 60, "events_per_query": 8}},
        features={"query": {"country": {"type": "categorical"}}, "candidate": {"title": {"type": "text"}}},
        evaluation={"min_lift_over_popularity": {"ndcg@10": 0}, "min_lift_over_published": {"ndcg@10": 0}},
        recommendations=None,
        **QUICK,
    )
    project.run(config)
    return project, config


def latest(store: Store, node: str) -> Execution:
    execution = store.latest(node)
    assert execution is not None
    return execution


def executions(store: Store) -> dict[str, Execution]:
    return {node: latest(store, node) for node in store.nodes()}


def files_of(store: Store, execution: Execution) -> list[Path]:
    return [store.execution_directory(execution.node, execution.id) / path for path in execution.files]


def outcome(project: Project) -> dict[str, Any]:
    """What the user has of a run."""
    versions = Publisher(project.root / "serving", "tampered").versions()
    told = cli(*ASKED, "--root", project.root)
    assert told.code == 0, told.err
    metrics = project.metrics("tampered")
    return {
        "versions": [(it.version, it.complete, it.identity) for it in versions],
        "answer": json.loads(told.out)["candidates"],
        "metrics": {name: metrics[name] for name in ("test", "baselines")},
    }


def test_damage_of_each_file_is_found_and_named(finished):
    project, _ = finished
    store, missed, tried = Store(project.root, "tampered"), [], 0
    for execution in executions(store).values():
        for file in files_of(store, execution):
            kept = file.read_bytes()
            for kind, damage in DAMAGES.items():
                if kept or kind == "delete":  # there is nothing to flip or to cut in an empty file
                    damage(file)
                    tried += 1
                    name = file.relative_to(store.execution_directory(execution.node, execution.id)).as_posix()
                    if not store.damage(execution).startswith(name):
                        missed.append((execution.node, name, kind))
                    file.write_bytes(kept)
        assert store.damage(execution) == ""
    assert missed == []
    assert tried > 100


def largest(files: list[Path]) -> Path:
    return max(files, key=lambda file: file.stat().st_size)


def added(file: Path) -> None:
    shutil.copy(file, file.with_name(f"more-{file.name}"))


@pytest.mark.parametrize(
    "damaged",
    [
        {"ExampleGen": added, "StatisticsGen": flip, "ExampleValidator": cut, "Pusher": cut},
        {"Trainer": cut},
        {"SchemaGen": Path.unlink, "ScannIndexer": flip},
        {"Evaluator": flip, "InfraValidator": Path.unlink},
    ],
    ids=["data and publication", "model", "index", "verdicts"],
)
def test_what_is_damaged_is_made_again_and_nothing_else_changes(finished, damaged: dict[str, Callable[[Path], None]]):
    project, config = finished
    before, store = outcome(project), Store(project.root, "tampered")
    named = {}
    for node, damage in damaged.items():
        execution = latest(store, node)
        file = largest(files_of(store, execution))
        damage(file)
        named[node] = f"warning: {node}/{execution.id} is damaged: "
    told = project.run(config).err
    states = project.states("tampered")
    for node, warning in named.items():
        assert states[node] == "run"
        assert told.count(warning) == 1, told
    assert "the step is executed again" in told
    assert outcome(project) == before
    assert "Nothing to do" in project.run(config).out


def test_what_is_looked_up_for_a_question_is_checked(finished):
    project, config = finished
    before, store = outcome(project), Store(project.root, "tampered")
    transform = latest(store, "Transform")
    file = next(file for file in files_of(store, transform) if file.name == "candidate.npy")
    kept = file.read_bytes()
    flip(file)
    refused = cli(*ASKED, "--root", project.root)
    assert refused.code == 3
    assert f"Transform/{transform.id} is damaged: transformed_examples/events/candidate.npy has changed" in refused.err
    assert "; run the pipeline again" in refused.err
    shown = cli("show", "tampered/Transform/transformed_examples", "--root", project.root)
    assert (shown.code, "is damaged" in shown.err) == (0, True)
    file.write_bytes(kept)
    assert outcome(project) == before
    assert "Nothing to do" in project.run(config).out
