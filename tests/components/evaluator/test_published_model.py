"""A new model is compared with the served one, both random, on a small world."""

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
    """Publishes the model of the world as `shop`, and returns the folder of its exact versions."""
    inputs = ScannIndexer.Inputs(world.transformed_examples, world.transform_graph, world.model)
    outputs = ScannIndexer.Outputs(ServingModel(path / "serving_model"))
    ScannIndexer(ScannIndexerParams(top_k=5)).execute(inputs, outputs, in_process(scratch=path / ".scratch"))
    directory = path / "serving"
    models: dict[str, Any] = {name: outputs.serving_model.path / name for name in ("exact", "scann")}
    Publisher(directory, "shop").publish(**models, keep_versions=3)
    return directory / "shop"


def versions(folder: Path) -> PublishedVersions:
    """Published versions with their exact models in `folder`."""
    return PublishedVersions(folder.parent, folder.name)


class Evaluated:
    def __init__(
        self, path: Path, world: World, published: Path, *, least: float | None = 0.5, most: float | None = None
    ) -> None:
        gate = {} if least is None else {"ndcg@10": least}
        config = EvaluationConfig(at=(10,), baselines=(), min_lift_over_published=gate, max_churn=most)
        self.evaluator = Evaluator(EvaluatorParams(evaluation=config), versions(published))
        self.outputs = Evaluator.Outputs(Evaluation(path / "evaluation"), Blessing(path / "blessing"))
        inputs = Evaluator.Inputs(world.transformed_examples, world.transform_graph, world.model, world.examples)
        self.evaluator.execute(inputs, self.outputs, in_process(scratch=path / ".scratch"))
        self.metrics: dict[str, Any] = self.outputs.evaluation.read_json("metrics.json")
        self.blessing: dict[str, Any] = self.outputs.blessing.read_json("blessing.json")
        (self.check,) = self.blessing["checks"]


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path]:
    """The world of the served model, and the folder of its versions."""
    path = tmp_path_factory.mktemp("standing")
    world = make_world(path, features=WITHOUT_CONTEXT, seed=1, recency=0.2)
    return world, publish(world, path)


@pytest.fixture(scope="module")
def challenger(standing: tuple[World, Path], tmp_path_factory: pytest.TempPathFactory) -> World:
    """Another model of the same data."""
    world, _ = standing
    other = make_world(tmp_path_factory.mktemp("challenger"), features=WITHOUT_CONTEXT, seed=2)
    return World(world.examples, world.transform_graph, world.transformed_examples, other.model)


def described(published: Path, **data: Any) -> None:
    """Changes the description of the newest version's data."""
    newest = Publisher(published.parent, "shop").newest()
    assert newest is not None
    file = Path(newest.exact) / DESCRIPTION
    description = json.loads(file.read_text())
    description["data"] |= data
    file.write_text(json.dumps(description))
    write_digests(Path(newest.exact))


def test_scores_from_raw_features_equal_those_of_the_evaluation(
    standing: tuple[World, Path], challenger: World, tmp_path: Path
) -> None:
    world, published = standing
    nobody = tmp_path / "nobody"
    own = Evaluated(tmp_path / "own", world, nobody)
    compared = Evaluated(tmp_path / "compared", challenger, published)
    section = compared.metrics["published"]
    assert section["test"] == pytest.approx({name: own.metrics["test"][name] for name in section["test"]})
    assert section["model"] == pytest.approx({name: compared.metrics["test"][name] for name in section["model"]})
    assert section["queries"] == compared.metrics["protocol"]["test"]["queries"]
    assert compared.check["value"] == pytest.approx(section["model"]["ndcg@10"] / section["test"]["ndcg@10"])


def test_a_model_with_other_answers_is_not_blessed(
    standing: tuple[World, Path], challenger: World, tmp_path: Path
) -> None:
    _, published = standing
    refused = Evaluated(tmp_path / "refused", challenger, published, least=None, most=0.01)
    kept = refused.metrics["published"]["churn"]
    assert not refused.blessing["blessed"]
    assert refused.check["value"] == pytest.approx(1 - kept["overlap"])
    assert kept["overlap"] < 0.99
    assert kept["queries"] == refused.metrics["protocol"]["test"]["queries"]
    shutil.copytree(published.parent, tmp_path / "serving")
    described(tmp_path / "serving" / "shop", final=True, until=None)
    unmeasured = Evaluated(tmp_path / "unmeasured", challenger, tmp_path / "serving" / "shop", least=None, most=0.01)
    assert "test" not in unmeasured.metrics["published"]
    assert unmeasured.metrics["published"]["churn"] == kept


def test_a_worse_model_is_not_blessed_until_another_is_served(
    standing: tuple[World, Path], challenger: World, tmp_path: Path
) -> None:
    _, published = standing
    refused = Evaluated(tmp_path, challenger, published, least=100)
    assert not refused.blessing["blessed"]
    assert refused.evaluator.is_current(refused.outputs)
    elsewhere = Evaluator(refused.evaluator.params, versions(tmp_path / "nobody"))
    assert not elsewhere.is_current(refused.outputs)


def test_the_check_gives_the_reason_if_nothing_can_be_compared(standing: tuple[World, Path], tmp_path: Path) -> None:
    world, published = standing
    first = Evaluated(tmp_path / "first", world, tmp_path / "nobody", least=100)
    assert (first.check["passed"], first.check["skipped"]) == (True, "nothing has been published yet")
    itself = Evaluated(tmp_path / "itself", world, published, least=100)
    assert (itself.check["passed"], itself.check["skipped"]) == (True, "the served model is this model")


def test_a_model_is_compared_again_once_another_is_served(
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
    """Changes a description, and removes the digests of the version's files."""
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
def test_a_broken_served_model_is_noted_and_lets_the_next_pass(
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
    reason = found.check["skipped"]
    assert "damaged" in reason or reason.startswith(f"served version {newest.version} cannot be measured: "), reason
    assert "\n" not in reason
    assert len(reason) < 300


def test_only_later_events_count_for_a_model_fitted_to_all_events(challenger: World, tmp_path: Path) -> None:
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
def test_the_seed_changes_the_split_only_if_events_are_chosen_by_hash(method: str, alike: bool) -> None:
    fitted_to = FittedTo(split={"method": method}, seed=1)
    same = DatasetMetadata(ordered=True, split={"method": method}, seed=1)
    assert same_split(fitted_to, same)
    assert same_split(fitted_to, same.model_copy(update={"seed": 2})) == alike
    assert not same_split(fitted_to, same.model_copy(update={"split": {"method": method, "n": 2}}))


def with_times(world: World, path: Path) -> World:
    """The same world with one event per second, in stored order."""
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
    metrics = Evaluated(tmp_path / "evaluated", challenger, published).metrics
    assert metrics["published"]["model"] != {name: metrics["test"][name] for name in metrics["published"]["model"]}
