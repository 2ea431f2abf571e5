"""Model cards with the fields of Google's Model Card schema, version 0.0.2.

The schema is that of the Model Card Toolkit (https://github.com/tensorflow/model-card-toolkit). Fields that a card does
not have are left out of its JSON.
"""

import json
from typing import ClassVar, Literal

from dataplane.artifacts.document import Number, Part


class Owner(Part):
    """A person or team that owns the model."""

    name: str
    contact: str | None = None


class License(Part):
    """A licence, by its SPDX identifier or in words."""

    identifier: str | None = None
    custom_text: str | None = None


class Reference(Part):
    """A link."""

    reference: str


class ModelVersion(Part):
    """Version of the model."""

    name: str
    diff: str | None = None
    """Changes from the model before."""


class ModelDetails(Part):
    """Which model it is."""

    name: str
    overview: str
    documentation: str | None = None
    owners: tuple[Owner, ...] = ()
    version: ModelVersion
    licenses: tuple[License, ...] = ()
    references: tuple[Reference, ...] = ()


class SensitiveData(Part):
    """Sensitive data in a dataset."""

    sensitive_data: tuple[str, ...]


class Dataset(Part):
    """A dataset, or one split of it."""

    name: str
    link: str | None = None
    description: str | None = None
    sensitive: SensitiveData | None = None


class ModelParameters(Part):
    """How the model is built, and from which data."""

    model_architecture: str
    data: tuple[Dataset, ...] = ()
    input_format: str
    output_format: str


class ConfidenceInterval(Part):
    """Bounds of an interval."""

    lower_bound: float
    upper_bound: float


class PerformanceMetric(Part):
    """One measured value."""

    type: str
    value: Number
    slice: str | None = None
    """None: the metric is of all queries."""
    confidence_interval: ConfidenceInterval | None = None


class QuantitativeAnalysis(Part):
    """What was measured."""

    performance_metrics: tuple[PerformanceMetric, ...] = ()


class Described(Part):
    """A user, a use case, a limitation or a trade-off."""

    description: str


class Risk(Part):
    """An ethical risk, and what is done about it."""

    name: str
    mitigation_strategy: str | None = None


class Considerations(Part):
    """What a user of the model should know."""

    users: tuple[Described, ...] = ()
    use_cases: tuple[Described, ...] = ()
    limitations: tuple[Described, ...] = ()
    tradeoffs: tuple[Described, ...] = ()
    ethical_considerations: tuple[Risk, ...] = ()


class ModelCard(Part):
    """A model card."""

    SCHEMA: ClassVar[Literal["0.0.2"]] = "0.0.2"

    model_details: ModelDetails
    model_parameters: ModelParameters
    quantitative_analysis: QuantitativeAnalysis
    considerations: Considerations

    def json_text(self) -> str:
        """The card as JSON; equal cards give equal texts."""
        content = {"schema_version": self.SCHEMA, **self.model_dump(mode="json", exclude_defaults=True)}
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
