"""How events are divided into training, validation and test: the `split` section of a configuration.

Validation is for choosing, test is for reporting. The model learns from neither.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from models.spec.moments import UtcMoment
from models.spec.strict import Strict

Fraction: TypeAlias = Annotated[float, Field(gt=0, lt=1)]


class LeaveLastNSplit(Strict):
    """Holds out the last events of every query. Needs a timestamp or order column."""

    method: Literal["leave_last_n"]
    n: int = Field(default=1, ge=1)
    """The last n events of a query are test, the n before them validation. All events of a query with fewer than 2n + 1
    events are training data."""


class TimeSplit(Strict):
    """Splits at global moments, so that the model is tested on events after its training data. Needs a timestamp."""

    method: Literal["time"]
    validation_from: UtcMoment | None = None
    """Events from this moment on are validation. ISO date or time, UTC unless it has an offset."""
    test_from: UtcMoment | None = None
    """Events from this moment on are test."""
    validation_fraction: Fraction = 0.1
    """Without moments: share of the events that are validation, the latest ones before test. Events with equal
    timestamps stay together."""
    test_fraction: Fraction = 0.1
    """Without moments: share of the events that are test, the latest ones."""

    @model_validator(mode="after")
    def _moments_or_fractions(self) -> "TimeSplit":
        if (self.validation_from is None) != (self.test_from is None):
            raise ValueError("'validation_from' and 'test_from' must be given together")
        if self.validation_from is None or self.test_from is None:
            _leave_something_to_train_on(self.validation_fraction, self.test_fraction)
            return self
        # Compares with the defaults, so that a configuration written out in full can be read again.
        if (self.validation_fraction, self.test_fraction) != (0.1, 0.1):
            raise ValueError("give either moments (…_from) or fractions (…_fraction)")
        if self.validation_from >= self.test_from:
            raise ValueError("'validation_from' must lie before 'test_from'")
        return self


class RatioSplit(Strict):
    """Random shares, assigned by hash, so that new data do not move existing rows to another split."""

    method: Literal["ratio"]
    by: Literal["row", "query"] = "row"
    """`row`: single events. `query`: whole queries, which are not trained on at all (strong generalisation, Liang et
    al. 2018)."""
    validation_fraction: Fraction = 0.1
    """Share of the events, or of the queries."""
    test_fraction: Fraction = 0.1
    """Share of the events, or of the queries."""
    history_fraction: Fraction = 0.8
    """With `by: query`: the first share of a held-out query's events is its history; the rest is to be predicted."""

    @model_validator(mode="after")
    def _fractions_fit(self) -> "RatioSplit":
        # Compares with the default, so that a configuration written out in full can be read again.
        if self.by == "row" and self.history_fraction != 0.8:
            raise ValueError("'history_fraction' needs by: query")
        _leave_something_to_train_on(self.validation_fraction, self.test_fraction)
        return self


class FilesSplit(Strict):
    """The source assigns each row: by the file it comes from, or by a split column."""

    method: Literal["files"]
    validation_fraction: Fraction = 0.1
    """Share of the training rows, assigned by hash, that become validation if the source has no validation rows."""


SplitConfig: TypeAlias = Annotated[LeaveLastNSplit | TimeSplit | RatioSplit | FilesSplit, Field(discriminator="method")]


def _leave_something_to_train_on(*held_out: float) -> None:
    if sum(held_out) >= 1:
        raise ValueError("'validation_fraction' and 'test_fraction' must leave something to train on")
