from typing import Any

import pytest

from models.spec.config import ModelConfig, TrainingConfig
from models.spec.features import FeatureSpec
from models.spec.recipes import recipes_to_try, trained_model


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


def test_a_bag_has_no_projection_and_the_configured_width():
    bag = trained_model("bag", ModelConfig(embedding_dim=48))
    assert not bag.query_tower.projection
    assert not bag.candidate_tower.projection
    assert bag.width == 48
