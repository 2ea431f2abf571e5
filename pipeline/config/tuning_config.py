"""The `tuning` section of a configuration: the search space of `tune` and the number of trials."""

from typing import Annotated, Any, TypeAlias

from pydantic import Field, field_validator, model_validator

from models.spec.strict import Strict


class Range(Strict):
    """A range of numbers; of whole numbers if both ends are whole."""

    low: int | float
    """The smallest value."""
    high: int | float
    """The largest value."""
    log: bool = False
    """Whether values are drawn on a logarithmic scale."""

    @model_validator(mode="after")
    def _low_is_below_high(self) -> "Range":
        if self.low >= self.high:
            raise ValueError(f"'low' must be below 'high', not {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError("a logarithmic range must start above 0")
        return self

    @property
    def whole(self) -> bool:
        """Whether the range is one of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


Choices: TypeAlias = Annotated[list[Any], Field(min_length=2)]


class TuningConfig(Strict):
    """How `tune` searches. It maximises `training.metric` on the validation events."""

    trials: int = Field(default=20, ge=1)
    """Total number of trainings, including those of earlier calls."""
    startup_trials: int = Field(default=5, ge=1)
    """Number of random trials before the search uses results, and before trials below the median are stopped early."""
    space: dict[str, Range | Choices] = Field(min_length=1)
    """Range or list of values for each key of `model` and `training` to tune, such as `model.temperature: {low: 0.03,
    high: 0.3, log: true}`."""

    @field_validator("space")
    @classmethod
    def _keys_leave_the_data_alone(cls, space: dict[str, Range | Choices]) -> dict[str, Range | Choices]:
        fixed = ("training.metric", "training.final_fit", "training.event_weights", "training.validation_queries")
        for key in space:
            if not key.startswith(("model.", "training.")) or key.startswith(fixed):
                raise ValueError(
                    f"'{key}' cannot be tuned; allowed: keys below model and training except {', '.join(fixed)}, which "
                    f"would make trials incomparable"
                )
        return space
