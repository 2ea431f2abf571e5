from typing import Any

import pytest

from models.spec.config import ModelConfig, TrainingConfig
from models.spec.features import FeatureSpec
from models.spec.recipes import recipes_to_try, schedule, trained_model


def recipes(
    model: dict[str, Any] | None = None, training: dict[str, Any] | None = None, features: dict[str, Any] | None = None
) -> tuple[str, ...]:
    return tuple(
        recipes_to_try(
            FeatureSpec.model_validate(features or {}),
            ModelConfig.model_validate(model or {}),
            TrainingConfig.model_validate(training or {}),
        )
    )


@pytest.mark.parametrize(
    "settings",
    [{}, {"model": {"embedding_dim": 32}}, {"training": {"max_epochs": 3, "metric": "ndcg@20", "batch_size": 64}}],
    ids=["nothing named", "width", "budget and metric"],
)
def test_ids_alone_leave_every_recipe_open(settings):
    assert recipes(**settings) == ("towers", "bag", "closed_form", "blend")


@pytest.mark.parametrize(
    "settings",
    [
        {"model": {"query_tower": {"layers": [64]}}},
        {"model": {"temperature": 0.1}},
        {"model": {"history_encoder": "gru"}},
        {"training": {"loss": "bpr"}},
        {"training": {"learning_rate": 0.01}},
        {"training": {"method": "gradient"}},
        {"training": {"distribution": "mirrored"}},
        {"features": {"candidate": {"title": {"type": "text"}}}},
        {"features": {"query": {"country": {"type": "categorical"}}, "history": None}},
    ],
)
def test_a_named_setting_or_a_feature_asks_for_the_towers(settings):
    assert recipes(**settings) == ("towers",)


def test_a_closed_form_that_is_named_is_kept():
    assert recipes(training={"method": "closed_form"}) == ("closed_form",)


@pytest.mark.parametrize(("named", "width"), [(48, 48), ("auto", 128)])
def test_a_bag_has_no_projection_and_the_configured_width(named, width):
    bag = trained_model("bag", ModelConfig(embedding_dim=named))
    assert not bag.query_tower.projection
    assert not bag.candidate_tower.projection
    assert bag.width == width


@pytest.mark.parametrize(("events", "epochs"), [(10_000_000, 8), (256_000, 16), (1_000, 30)])
def test_a_bag_takes_eight_epochs_or_enough_for_two_thousand_steps(events, epochs):
    bag = schedule("bag", TrainingConfig(), events=events)
    assert (bag.batch_size, bag.learning_rate_schedule, bag.max_epochs) == (2048, "cosine", epochs)


def test_a_bag_keeps_what_the_configuration_names():
    named = TrainingConfig(batch_size=64, max_epochs=3, metric="ndcg@20")
    bag = schedule("bag", named, events=1_000_000)
    assert (bag.batch_size, bag.max_epochs, bag.metric) == (64, 3, "ndcg@20")


def test_towers_are_trained_as_configured():
    assert schedule("towers", TrainingConfig(), events=10) == TrainingConfig()
