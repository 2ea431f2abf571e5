"""Runs InfraValidator on serving models that tests have tampered with."""

from typing import Any

import pytest

from components.infra_validator import InfraValidationConfig, InfraValidator
from dataplane.artifacts import InfraBlessing, ServingModel
from dataplane.errors import RefusedError
from tests.components.tiny_world import World
from tests.contexts import in_process


def validate(world: World, serving_model: ServingModel, **params: Any) -> dict[str, Any]:
    """The verdict on models of a world."""
    blessing = InfraBlessing(serving_model.path.parent / "infra")
    inputs = InfraValidator.Inputs(world.examples, world.transformed_examples, serving_model)
    try:
        InfraValidator(InfraValidationConfig(**params)).execute(inputs, InfraValidator.Outputs(blessing), in_process())
    finally:
        verdict: dict[str, Any] = blessing.read_json("infra_blessing.json")
    return verdict


def refused(world: World, serving_model: ServingModel, message: str, **params: Any) -> None:
    """Asserts that models are refused with a message, which the verdict repeats."""
    with pytest.raises(RefusedError, match=message) as caught:
        validate(world, serving_model, **params)
    verdict = InfraBlessing(serving_model.path.parent / "infra").read_json("infra_blessing.json")
    assert verdict["blessed"] is False
    assert verdict["failure"] == str(caught.value)
