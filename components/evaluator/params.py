"""Parameters of Evaluator."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from components.base import Params
from models.spec.features import (
    CategoricalFeature,
    FeatureName,
    FeatureSpec,
    IdFeature,
    NumericFeature,
    TimestampFeature,
)

_HIGHER_IS_BETTER = ("recall", "hit_rate", "ndcg", "mrr", "map", "coverage")


_MAIN = ("recall", "hit_rate", "ndcg", "mrr")


_GATES = ("thresholds", "min_lift_over_popularity", "min_lift_over_published")
_OF_BASELINES = "min_lift_over_baselines"


Cutoff = Annotated[int, Field(ge=1, le=10_000)]


Baseline = Literal["popularity", "item_knn", "recent_popularity", "ease", "ials"]


Ratios = dict[str, Annotated[float, Field(ge=0)]]


Lift = Annotated[
    Annotated[Literal["auto"], Tag("auto")] | Annotated[Ratios, Tag("ratios")],
    Discriminator(lambda value: "auto" if isinstance(value, str) else "ratios"),
    BeforeValidator(lambda value: {} if value is None or value is False else value),
]
"""A gate: `auto`, minimum ratios by metric, or no gate (`null`, `false`, `{}`)."""


class EvaluationConfig(Params):
    """Metrics, and the gates that a model must pass to be published: section `evaluation`."""

    at: tuple[Cutoff, ...] = (1, 5, 10, 20, 50, 100)
    """Cut-offs k at which every metric is computed."""
    main_at: Cutoff = 10
    """The cut-off of slices, confidence intervals and per-query values; one of `at`."""
    baselines: tuple[Baseline, ...] = ("popularity", "item_knn")
    """Baselines to compare the model with. `recent_popularity` counts the events of the last `recent_days`, `ease` is a
    linear model (Steck 2019), `ials` a matrix factorisation with 64 factors (Hu et al. 2008). A baseline that does not
    suit the data is skipped with its reason: `item_knn` if it would take minutes, `ease` above 20,000 candidates,
    `recent_popularity` without timestamps."""
    recent_days: float = Field(default=7, gt=0)
    """Days before the test events that the baseline `recent_popularity` counts."""
    slices: tuple[FeatureName, ...] = ()
    """Features by whose values the metrics are broken down: id, categorical, timestamp or quantile features of any
    side. Slices by history length, and by new and known queries and candidates, are always computed."""
    thresholds: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    """Minimum values of test metrics, e.g. `recall@10: 0.05`."""
    min_lift_over_popularity: Lift = "auto"
    """Gate against the popularity baseline. `auto`: NDCG at `main_at` on the test events must be above that of
    popularity. Ratios by metric, e.g. `ndcg@10: 1.5`, are minimum ratios to popularity instead. The gate is off if it
    is `null`, or if `baselines` lacks `popularity`."""
    min_lift_over_baselines: dict[Baseline, Ratios] = Field(default_factory=dict)
    """Gates against other baselines: minimum ratios by metric for each, e.g. `{ials: {recall@20: 1.0}}`. They must be
    among `baselines`. A baseline that is skipped fails its gate."""
    min_lift_over_published: Lift = "auto"
    """Gate against the served model, on the same test events. `auto`: NDCG at `main_at` must not be clearly worse. It
    is clearly worse if the whole paired 95 % interval of the difference lies below -2 % of the served model's value.
    Ratios by metric, e.g. `ndcg@10: 0.95`, are minimum ratios to the served model instead. `null` turns the gate off.
    The gate passes, with a note, if no model is served yet, if the served model cannot be asked or may have been
    trained on all these events, or, with `auto`, if fewer than 10 queries can be compared."""

    max_churn: float | None = Field(default=None, ge=0, le=1)
    """Gate against too many changed answers: the mean share of a query's first `main_at` answers that the served model
    does not give, for the queries with test events. The gate passes, with a note, if no model is served yet or the
    served model cannot be asked. `null` turns the gate off."""

    max_unmeasured_fraction: Annotated[
        float,
        Field(ge=0, le=1),
        BeforeValidator(lambda value: 1.0 if value is None or value is False else value),
    ] = 0.5
    """Share of the queries with test events that may have nothing left to measure. A query has nothing left if it had
    all its test candidates before, because `remove_seen` leaves those out. With a larger share, the run is refused
    before training. `null` or 1 turns the gate off."""

    @field_validator("at", "baselines", "slices")
    @classmethod
    def _each_once(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(values)) != len(values):
            raise ValueError("has a duplicate entry")
        return values

    @field_validator("at")
    @classmethod
    def _ascending(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if not values:
            raise ValueError("must name at least one cut-off")
        return tuple(sorted(values))

    @model_validator(mode="after")
    def _can_be_checked(self) -> "EvaluationConfig":
        if self.main_at not in self.at:
            raise ValueError(f"'main_at' is {self.main_at}, which is not among 'at': {', '.join(map(str, self.at))}")
        allowed = [f"{metric}@{k}" for metric in _HIGHER_IS_BETTER for k in self.at]
        gates = {key: self._ratios(key) for key in _GATES}
        gates |= {f"{_OF_BASELINES}.{name}": ratios for name, ratios in self.min_lift_over_baselines.items()}
        for key, ratios in gates.items():
            unknown = [name for name in ratios if name not in allowed]
            if unknown:
                raise ValueError(f"'{key}' has unknown metric '{unknown[0]}'; allowed: {', '.join(allowed)}")
        # Coverage depends on the number of queries that are compared.
        relative = [name for name in self._ratios("min_lift_over_published") if name.startswith("coverage")]
        if relative:
            raise ValueError(f"'min_lift_over_published' cannot compare '{relative[0]}'")
        if self._ratios("min_lift_over_popularity") and "popularity" not in self.baselines:
            raise ValueError("'min_lift_over_popularity' needs 'popularity' among 'baselines'")
        missing = [name for name in self.min_lift_over_baselines if name not in self.baselines]
        if missing:
            raise ValueError(f"'{_OF_BASELINES}' needs '{missing[0]}' among 'baselines'")
        return self

    def main_metrics(self) -> tuple[str, ...]:
        """Names of the metrics that slices and summaries show."""
        return tuple(f"{metric}@{self.main_at}" for metric in _MAIN)

    @property
    def compares_with_served(self) -> bool:
        """Whether a gate needs the served model."""
        return bool(self.min_lift_over_published) or self.max_churn is not None

    def gate_metric(self) -> str:
        """Name of the metric that a gate set to `auto` compares."""
        return f"ndcg@{self.main_at}"

    def named_metrics(self) -> tuple[str, ...]:
        """Names of the metrics that gates of the configuration name, each once."""
        named = [metric for key in _GATES for metric in self._ratios(key)]
        named += [metric for ratios in self.min_lift_over_baselines.values() for metric in ratios]
        return tuple(dict.fromkeys(named))

    def _ratios(self, key: str) -> Mapping[str, float]:
        gate: Mapping[str, float] | str = getattr(self, key)
        return {} if isinstance(gate, str) else gate


def unusable_slices(slices: Iterable[str], features: FeatureSpec) -> list[str]:
    """One message for each feature that cannot be a slice."""
    every = {**features.query, **features.context, **features.of("candidate")}
    usable = [
        name
        for name, feature in every.items()
        if isinstance(feature, IdFeature | CategoricalFeature | TimestampFeature)
        or (isinstance(feature, NumericFeature) and feature.transform == "quantile")
    ]
    allowed = ", ".join(usable) or "none"
    return [
        f"'{name}' is {'a feature without distinct values' if name in every else 'not a feature'}; allowed: {allowed}"
        for name in slices
        if name not in usable
    ]


class EvaluatorParams(Params):
    """Parameters of the Evaluator."""

    evaluation: EvaluationConfig = EvaluationConfig()
    """Metrics and gates."""
    remove_seen: bool = True
    """Leaves candidates in a query's history out of its ranking."""
    seed: int = Field(default=42, ge=0)
    """Seed of the bootstrap."""
    final_fit: bool = Field(default=False, exclude=True)
    """Whether a model fitted to all events is published in place of the one evaluated."""
