"""Trained towers and a closed form side by side."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.trainer import TrainerParams
from components.trainer.blend import Blend, blend
from components.trainer.choice import best_fit
from components.trainer.closed_form import ClosedForm, closed_form
from components.trainer.data import Prepared, prepare
from components.trainer.fitted import Fitted
from dataplane.artifacts import Model, TransformedExamples, TransformGraph
from dataplane.artifacts.model import BlendFacts, TrainingReport
from models.spec.config import TrainingConfig
from models.spec.features import CANDIDATE_ID, HISTORY
from tests.components.trainer.tastes import ITEMS, PARAMS, SPEC, run, tastes, towers_of

METRIC: str = PARAMS.training.metric


@pytest.fixture(scope="module")
def trained_by_steps(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("steps")
    return run(path, TrainerParams(training=TrainingConfig(method="gradient", batch_size=512, max_epochs=1)))


@pytest.fixture(scope="module")
def prepared(trained_by_steps: Model, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    path = trained_by_steps.path.parent
    examples, graph = TransformedExamples(path / "examples"), TransformGraph(path / "graph")
    return prepare(examples, graph, PARAMS, reference=None, scratch=tmp_path_factory.mktemp("scratch"))


@pytest.fixture(scope="module")
def closed(prepared: Prepared) -> ClosedForm:
    return closed_form(prepared, PARAMS, lambda report: None)


@pytest.fixture(scope="module")
def trained(closed: ClosedForm, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """Fitted towers of a width of their own, as if steps had led to them."""
    return replace(closed.fitted(tmp_path_factory.mktemp("trained")), recipe="bag")


@pytest.fixture(scope="module")
def blended(trained: Fitted, closed: ClosedForm, prepared: Prepared) -> Blend:
    return blend(trained, closed, prepared, PARAMS, lambda report: None)


def test_shares_are_compared_and_the_best_is_kept(blended: Blend) -> None:
    assert list(blended.scores) == [1, 2, 4, 8]
    assert blended.metrics[METRIC] == max(blended.scores.values())
    assert [tried["share"] for tried in blended.tried()] == [1, 2, 4, 8]


@pytest.mark.parametrize("best", ["bag", "closed_form", "blend"])
def test_the_best_on_validation_is_chosen(
    best: str, trained: Fitted, closed: ClosedForm, blended: Blend, tmp_path: Path
) -> None:
    scores = {name: {METRIC: 0.4 if name == best else 0.3} for name in ("bag", "closed_form", "blend")}
    chosen = best_fit(
        replace(trained, fit=replace(trained.fit, validation=scores["bag"])),
        replace(closed, metrics=scores["closed_form"]),
        replace(blended, metrics=scores["blend"]),
        tmp_path,
    )
    assert chosen.recipe == best
    assert chosen.fit.validation[METRIC] == 0.4
    assert chosen.notes[0].startswith(f"chose {best} by validation {METRIC}: {best}")
    assert any(tried["recipe"] == "bag" for tried in chosen.tried) == (best != "bag")


def test_a_final_fit_of_a_blend_adds_both_scores(trained_by_steps: Model, tmp_path: Path) -> None:
    facts = BlendFacts(trained="towers", closed_form_dim=32, scale=3.0, weight=0.5)
    reference = TrainingReport.read(trained_by_steps).model_copy(
        update={"recipe": "blend", "blend": facts, "exponent": 0.5, "embedding_dim": 96}
    )
    reference.write(trained_by_steps)
    everything = replace(tastes(), events=replace(tastes().events, split=np.zeros_like(tastes().events.split)))
    params = {"training": TrainingConfig(batch_size=512, max_epochs=1), "final": True}
    model = run(tmp_path, TrainerParams.model_validate(params), reference=trained_by_steps, dataset=everything)
    report, towers = TrainingReport.read(model), tf.saved_model.load(str(model.path / "towers"))
    assert (report.recipe, report.blend, report.embedding_dim) == ("blend", facts, 96)
    assert report.steps > reference.steps, "in proportion to the events"

    length = SPEC.features.history.max_length  # type: ignore[union-attr]
    history = np.pad(np.array([[2, 8], [3, 5]], np.int32), ((0, 0), (0, length - 2)))
    query = towers.embed_query({HISTORY: tf.constant(history)}).numpy()
    tokens = {CANDIDATE_ID: tf.range(ITEMS + 2)[:, None]}
    candidates = towers.embed_candidate(tokens).numpy()
    form = {"embedding_dim": 32, "exponent": 0.5}
    closed = [tower.numpy() for tower in _embedded(towers_of(everything, ["train"], form), history, tokens)]
    assert query[:, :32] / 3 == pytest.approx(closed[0], abs=1e-6)
    assert candidates[:, :32] * 3 == pytest.approx(closed[1], abs=1e-5)
    assert np.linalg.norm(query[:, 32:], axis=1) == pytest.approx(1)
    assert np.linalg.norm(candidates[:, 32:], axis=1) == pytest.approx(0.5), "the weight of the trained scores"


def _embedded(towers, history, tokens):
    return towers[0]({HISTORY: tf.constant(history)}), towers[1](tokens)
