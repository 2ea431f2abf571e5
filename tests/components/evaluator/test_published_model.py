"""A new model against the one in service, both made of random numbers, on one small world."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.evaluator import EvaluationConfig, Evaluator, EvaluatorParams
from components.evaluator.published_model import same_split
from components.scann_indexer import ScannIndexer, ScannIndexerParams
from dataplane.artifacts import Blessing, Evaluation, ServingModel, TransformedExamples
from dataplane.artifacts.transformed_examples import DatasetMetadata
from dataplane.dataset.sequences import read_dataset, write_dataset
from models.spec.features import FeatureSpec
from serving.model.descriptions import DESCRIPTION, FittedTo
from serving.model.version_digests import write_digests
from serving.published.published_versions import PublishedVersions
from serving.published.publishing import Publisher
from tests.components.tiny_world import FEATURES, World, make_world
from tests.contexts import in_process

WITHOUT_CONTEXT = FeatureSpec.model_validate(FEATURES.model_dump(exclude_unset=True) | {"context": {}})


def publish(world: World, path: Path) -> Path:
    """Publishes the world's model as `shop`; the folder of its exact versions."""
    inputs = ScannIndexer.Inputs(world.transformed_examples, world.transform_graph, world.model)
    outputs = ScannIndexer.Outputs(ServingModel(path / "serving_model"))
    ScannIndexer(ScannIndexerParams(top_k=5)).execute(inputs, outputs, in_process(scratch=path / ".scratch"))
    directory = path / "serving"
    models = {name: outputs.serving_model.path / name for name in ("exact", "scann")}
    Publisher(directory, "shop").publish(**models, keep_versions=3)
    return directory / "shop"


def versions(folder: Path) -> PublishedVersions:
    """The versions whose exact models are in `folder`."""
    return PublishedVersions(folder.parent, folder.name)


class Evaluated:
    def __init__(self, path: Path, world: World, published: Path, *, least: float = 0.5) -> None:
        config = EvaluationConfig(at=(10,), baselines=(), min_lift_over_published={"ndcg@10": least})
        self.evaluator = Evaluator(EvaluatorParams(evaluation=config), versions(published))
        self.outputs = Evaluator.Outputs(Evaluation(path / "evaluation"), Blessing(path / "blessing"))
        inputs = Evaluator.Inputs(world.transformed_examples, world.transform_graph, world.model, world.examples)
        self.evaluator.execute(inputs, self.outputs, in_process(scratch=path / ".scratch"))
        self.metrics: dict[str, Any] = self.outputs.evaluation.read_json("metrics.json")
        self.blessing: dict[str, Any] = self.outputs.blessing.read_json("blessing.json")
        (self.check,) = self.blessing["checks"]


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path]:
    """The world of the model in service, and where that is."""
    path = tmp_path_factory.mktemp("standing")
    world = make_world(path, features=WITHOUT_CONTEXT, seed=1)
    return world, publish(world, path)


@pytest.fixture(scope="module")
def challenger(standing: tuple[World, Path], tmp_path_factory: pytest.TempPathFactory) -> World:
    """Another model of the same data."""
    world, _ = standing
    other = make_world(tmp_path_factory.mktemp("challenger"), features=WITHOUT_CONTEXT, seed=2)
    return World(world.examples, world.transform_graph, world.transformed_examples, other.model)


def described(published: Path, **data: Any) -> None:
    """Has the newest version tell something else about its data."""
    newest = Publisher(published.parent, "shop").newest()
    assert newest is not None
    file = Path(newest.exact) / DESCRIPTION
    description = json.loads(file.read_text())
    description["data"] |= data
    file.write_text(json.dumps(description))
    write_digests(Path(newest.exact))


def test_from_raw_features_it_scores_as_it_did_when_it_was_evaluated(
    standing: tuple[World, Path], challenger: World, tmp_path: Path
) -> None:
    world, published = standing
    nobody = tmp_path / "nobody"
    own = Evaluated(tmp_path / "own", world, nobody)
    compared = Evaluated(tmp_path / "compared", challenger, published)
    told = compared.metrics["published"]
    assert told["test"] == pytest.approx({name: own.metrics["test"][name] for name in told["test"]})
    assert told["model"] == pytest.approx({name: compared.metrics["test"][name] for name in told["model"]})
    assert told["queries"] == compared.metrics["protocol"]["test"]["queries"]
    assert compared.check["value"] == pytest.approx(told["model"]["ndcg@10"] / told["test"]["ndcg@10"])


def test_a_worse_model_is_not_blessed_until_another_one_is_in_service(
    standing: tuple[World, Path], challenger: World, tmp_path: Path
) -> None:
    _, published = standing
    refused = Evaluated(tmp_path, challenger, published, least=100)
    assert not refused.blessing["blessed"]
    assert refused.evaluator.is_current(refused.outputs)
    elsewhere = Evaluator(refused.evaluator.params, versions(tmp_path / "nobody"))
    assert not elsewhere.is_current(refused.outputs)


def test_where_nothing_can_be_compared_that_is_told(standing: tuple[World, Path], tmp_path: Path) -> None:
    world, published = standing
    first = Evaluated(tmp_path / "first", world, tmp_path / "nobody", least=100)
    assert (first.check["passed"], first.check["skipped"]) == (True, "nothing has been published yet")
    itself = Evaluated(tmp_path / "itself", world, published, least=100)
    assert (itself.check["passed"], itself.check["skipped"]) == (True, "the served model is this model")


def test_what_was_blessed_is_compared_again_once_another_model_is_in_service(
    standing: tuple[World, Path], challenger: World, tmp_path: Path
) -> None:
    world, published = standing
    first = Evaluated(tmp_path / "first", challenger, tmp_path / "nobody", least=0)
    assert first.evaluator.is_current(first.outputs)

    def with_params(**changes: Any) -> Evaluator:
        return Evaluator(first.evaluator.params.model_copy(update=changes), versions(published))

    assert not with_params().is_current(first.outputs), "somebody else's model came into service since"
    assert with_params(final_fit=True).is_current(first.outputs), "that may be the final fit of this one"
    own = Evaluated(tmp_path / "own", world, tmp_path / "nobody", least=0)
    assert with_params().is_current(own.outputs), "it is this one that came into service"
    again = Evaluated(tmp_path / "again", challenger, published, least=0)
    assert again.evaluator.is_current(again.outputs)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def reshaped(file: Path, **changes: Any) -> None:
    """Has a description say something else, and nobody vouch for the version's files any more."""
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    (file.parent / "digests.json").unlink(missing_ok=True)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "graph cut": lambda model: cut(model / "saved_model.pb"),
    "no variables": lambda model: (model / "variables" / "variables.index").unlink(),
    "no description": lambda model: (model / DESCRIPTION).unlink(),
    "description no JSON": lambda model: (model / DESCRIPTION).write_text("{"),
    "description a list": lambda model: (model / DESCRIPTION).write_text("[]"),
    "description deep": lambda model: (model / DESCRIPTION).write_text("[" * 10**5),
    "no identity": lambda model: reshaped(model / DESCRIPTION, identity=None),
    "features of another release": lambda model: reshaped(
        model / DESCRIPTION, features={"query": {"x": {"type": "colour"}}}
    ),
    "features it was not exported with": lambda model: reshaped(
        model / DESCRIPTION, features={"query": {"x": {"type": "id"}}}
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_served_model_that_cannot_be_asked_is_told_and_lets_the_next_one_pass(
    damage: str, standing: tuple[World, Path], challenger: World, tmp_path: Path
) -> None:
    _, published = standing
    shutil.copytree(published.parent, tmp_path / "serving")
    newest = Publisher(tmp_path / "serving", "shop").newest()
    assert newest is not None
    DAMAGES[damage](Path(newest.exact))
    found = Evaluated(tmp_path / "evaluated", challenger, tmp_path / "serving" / "shop", least=100)
    assert found.check["passed"]
    assert "not compared with a served model: " in found.check["message"]
    told = found.check["skipped"]
    assert "damaged" in told or told.startswith(f"served version {newest.version} cannot be measured: "), told
    assert "\n" not in told
    assert len(told) < 300


def test_of_a_model_fitted_to_all_events_only_younger_ones_count(challenger: World, tmp_path: Path) -> None:
    world = make_world(tmp_path / "world", features=WITHOUT_CONTEXT, seed=1)
    published = publish(world, tmp_path / "published")
    described(published, final=True)
    timeless = Evaluated(tmp_path / "timeless", challenger, published)
    assert "without timestamps" in timeless.check["skipped"]

    timed = with_times(challenger, tmp_path / "timed")
    described(published, until="1970-01-01T00:00:20+00:00")
    some = Evaluated(tmp_path / "some", timed, published).metrics
    assert 0 < some["published"]["queries"] < some["protocol"]["test"]["queries"]
    described(published, until="1971-01-01T00:00:00+00:00")
    none = Evaluated(tmp_path / "none", timed, published)
    assert "no query has all its test events after 1971" in none.check["skipped"]


@pytest.mark.parametrize(
    ("method", "alike"), [("leave_last_n", True), ("time", True), ("ratio", False), ("files", False)]
)
def test_another_seed_divides_otherwise_only_where_events_are_chosen_by_hash(method: str, alike: bool) -> None:
    told = FittedTo(split={"method": method}, seed=1)
    same = DatasetMetadata(ordered=True, split={"method": method}, seed=1)
    assert same_split(told, same)
    assert same_split(told, same.model_copy(update={"seed": 2})) == alike
    assert not same_split(told, same.model_copy(update={"split": {"method": method, "n": 2}}))


def with_times(world: World, path: Path) -> World:
    """The same world with an event each second, in stored order."""
    dataset = read_dataset(world.transformed_examples)
    times = np.arange(len(dataset.events), dtype=np.int64) * 1_000_000
    artifact = TransformedExamples(path)
    write_dataset(artifact, replace(dataset, events=replace(dataset.events, timestamp=times)))
    return World(world.examples, world.transform_graph, artifact, world.model)


def test_context_is_missing_for_both(tmp_path: Path) -> None:
    world = make_world(tmp_path / "world", seed=1)
    published = publish(world, tmp_path / "published")
    other = make_world(tmp_path / "other", seed=2)
    challenger = World(world.examples, world.transform_graph, world.transformed_examples, other.model)
    told = Evaluated(tmp_path / "evaluated", challenger, published).metrics
    assert told["published"]["model"] != {name: told["test"][name] for name in told["published"]["model"]}
