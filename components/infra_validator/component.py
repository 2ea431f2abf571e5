"""InfraValidator: loads the serving models in fresh processes, asks them, and checks their answers."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.base import Component, ExecutionContext, Prepared
from components.infra_validator.params import InfraValidationConfig
from dataplane.artifacts import Catalogue, Examples, InfraBlessing, ServingModel, TransformedExamples
from dataplane.artifacts.infra_blessing import InfraVerdict
from dataplane.errors import RefusedError


class InfraValidator(Component["InfraValidator.Inputs", "InfraValidator.Outputs", InfraValidationConfig]):
    """Blesses serving models that answer correctly in a process without the pipeline's code.

    The process that loads the exact model cannot import `scann`. InfraValidator writes `infra_blessing.json`, with
    `blessed`, `checks` (the number of answers that passed each check), and for each model the seconds to load and warm
    up, the bytes by which the process grew and the median milliseconds for one request.
    """

    @dataclass(frozen=True)
    class Inputs:
        """The models, the queries to ask about, and the catalogue unless it is the data's own."""

        examples: Examples
        transformed_examples: TransformedExamples
        serving_model: ServingModel
        catalogue: Catalogue | None = None

    @dataclass(frozen=True)
    class Outputs:
        """The verdict."""

        infra_blessing: InfraBlessing

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """Asks the models and checks their answers.

        Raises:
            RefusedError: a model does not load, crashes, is too slow, or answers wrongly; the verdict is written first.
        """
        from components.infra_validator.executor import InfraChecks

        checks = InfraChecks(
            inputs.examples, inputs.transformed_examples, inputs.serving_model, inputs.catalogue, self.params
        )
        try:
            models = checks.run(context.progress)
        except RefusedError as error:
            InfraVerdict(blessed=False, checks=checks.passed, failure=str(error)).write(outputs.infra_blessing)
            raise
        InfraVerdict(blessed=True, checks=checks.passed, models=models).write(outputs.infra_blessing)
        return {name: {"latency_ms": times.latency_ms} for name, times in models.items()}

    def prepare(self) -> Prepared[Inputs, Outputs]:
        """Digests the script that asks the models: it runs as a file, so no import leads to it."""
        from serving.model.ask import SCRIPT

        return Prepared({SCRIPT.name: hashlib.sha256(SCRIPT.read_bytes()).hexdigest()}, self.execute)
