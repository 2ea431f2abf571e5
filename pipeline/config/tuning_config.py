"""The `tuning` section of a configuration: what `tune` may change, and how often it tries."""

from typing import Annotated, Any, TypeAlias

from pydantic import Field, field_validator, model_validator

from models.spec.strict import Strict


class Range(Strict):
    """Numbers between two; whole ones if both are."""

    low: int | float
    """The least."""
    high: int | float
    """The greatest."""
    log: bool = False
    """Whether small ones are tried as often as great ones, factor by factor."""

    @model_validator(mode="after")
    def _low_is_below_high(self) -> "Range":
        if self.low >= self.high:
            raise ValueError(f"'low' has to be below 'high', not {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError("a logarithmic range starts above 0")
        return self

    @property
    def whole(self) -> bool:
        """Whether the numbers are whole ones."""
        return isinstance(self.low, int) and isinstance(self.high, int)


Choices: TypeAlias = Annotated[list[Any], Field(min_length=2)]


class TuningConfig(Strict):
    """How `tune` searches. It maximises `training.metric` on the validation events."""

    trials: int = Field(default=20, ge=1)
    """Trainings in all, those of earlier calls included."""
    startup_trials: int = Field(default=5, ge=1)
    """Trials at random before the search looks at results, and before any is cut short for being below the median."""
    space: dict[str, Range | Choices] = Field(min_length=1)
    """Range, or list of values, of each key of `model` and `training` to try, e.g. `model.temperature: {low: 0.03,
    high: 0.3, log: true}`."""

    @field_validator("space")
    @classmethod
    def _keys_leave_the_data_alone(cls, space: dict[str, Range | Choices]) -> dict[str, Range | Choices]:
        fixed = ("training.metric", "training.final_fit", "training.event_weights", "training.validation_queries")
        for key in space:
            if not key.startswith(("model.", "training.")) or key.startswith(fixed):
                raise ValueError(
                    f"'{key}' cannot be tuned: keys below model and training can, but for {', '.join(fixed)}, with "
                    f"which trials would not be comparable"
                )
        return space
