"""InfraValidator: loads the serving models in fresh processes, asks them, and checks what they answer."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from components.artifacts import Catalogue, Examples, InfraBlessing, ServingModel, TransformedExamples
from components.base import Component, ExecutionContext, Params
from components.errors import RefusedError


class InfraValidationConfig(Params):
    """How the serving models are checked before they may be published; section `serving.validation`."""

    sample_queries: int = Field(default=32, ge=1, le=64)
    """Stored queries that both models are asked."""
    min_overlap: float = Field(default=0.9, ge=0, le=1)
    """Share of the exact model's answers that the ScaNN model must give too, over all sample queries."""
    timeout_seconds: float = Field(default=300, gt=0)
    """A process that takes longer to load a model and answer is ended and the model refused."""


class InfraValidator(Component["InfraValidator.Inputs", "InfraValidator.Outputs", InfraValidationConfig]):
    """Blesses serving models that answer correctly in a process that knows nothing of the pipeline.

    The exact model is loaded where `scann` cannot be imported. Writes `infra_blessing.json`: `blessed`, `checks` (each
    with a count of answers), and per model the seconds to load and warm up and the median milliseconds for one request.
    """

    @dataclass(frozen=True)
    class Inputs:
        """The models, the queries they are asked, and the catalogue if it is not the data's own."""

        examples: Examples
        transformed_examples: TransformedExamples
        serving_model: ServingModel
        catalogue: Catalogue | None = None

    @dataclass(frozen=True)
    class Outputs:
        """The verdict."""

        infra_blessing: InfraBlessing

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """Asks and checks.

        Raises:
            RefusedError: a model does not load, crashes, is too slow, or answers wrongly; the verdict is written.
        """
        from components.serving.infra_checks import InfraChecks

        checks = InfraChecks(
            inputs.examples, inputs.transformed_examples, inputs.serving_model, inputs.catalogue, self.params
        )
        try:
            models = checks.run(context.progress)
        except RefusedError as error:
            verdict = {"blessed": False, "checks": checks.passed, "failure": str(error)}
            outputs.infra_blessing.write_json("infra_blessing.json", verdict)
            raise
        outputs.infra_blessing.write_json(
            "infra_blessing.json", {"blessed": True, "checks": checks.passed, "models": models}
        )
        return {name: {"latency_ms": model["latency_ms"]} for name, model in models.items()}

    def external_fingerprint(self) -> str:
        """Digest of the script that asks: it is run as a file, so no import leads to it."""
        from components.serving.ask import SCRIPT

        return hashlib.sha256(SCRIPT.read_bytes()).hexdigest()
