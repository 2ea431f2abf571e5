"""How events are divided into training, validation and test: the `split` section of a configuration.

Validation is for choosing, test for reporting; the model learns from neither.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from models.spec.moments import UtcMoment
from models.spec.strict import Strict

Fraction: TypeAlias = Annotated[float, Field(gt=0, lt=1)]


class LeaveLastNSplit(Strict):
    """The last events of every query are held out; needs a timestamp or an order column."""

    method: Literal["leave_last_n"]
    n: int = Field(default=1, ge=1)
    """The last n events of a query are test, the n before them validation. Queries with fewer than 2n + 1 events are
    training data altogether."""


class TimeSplit(Strict):
    """Global cuts in time: the model is tested on the future of everything it has seen; needs a timestamp."""

    method: Literal["time"]
    validation_from: UtcMoment | None = None
    """Events from this moment on are validation; ISO date or time, UTC unless it says otherwise."""
    test_from: UtcMoment | None = None
    """Events from this moment on are test."""
    validation_fraction: Fraction = 0.1
    """Without moments: share of the events, the latest before test, that are validation. Events of one moment stay
    together."""
    test_fraction: Fraction = 0.1
    """Without moments: share of the events, the latest, that are test."""

    @model_validator(mode="after")
    def _moments_or_fractions(self) -> "TimeSplit":
        if (self.validation_from is None) != (self.test_from is None):
            raise ValueError("'validation_from' and 'test_from' are given together, or neither")
        if self.validation_from is None or self.test_from is None:
            _leave_something_to_train_on(self.validation_fraction, self.test_fraction)
            return self
        if {"validation_fraction", "test_fraction"} & self.model_fields_set:
            raise ValueError("give either moments (…_from) or fractions (…_fraction)")
        if self.validation_from >= self.test_from:
            raise ValueError("'validation_from' must lie before 'test_from'")
        return self


class RatioSplit(Strict):
    """Random shares, chosen by hash, so that adding data does not move what is already there."""

    method: Literal["ratio"]
    by: Literal["row", "query"] = "row"
    """`row`: single events. `query`: whole queries, of which the model learns nothing (strong generalisation, Liang et
    al. 2018)."""
    validation_fraction: Fraction = 0.1
    """Share of the events, or of the queries."""
    test_fraction: Fraction = 0.1
    """Share of the events, or of the queries."""
    history_fraction: Fraction = 0.8
    """With `by: query`: the first share of a held-out query's events is its history, the rest is to be predicted."""

    @model_validator(mode="after")
    def _fractions_fit(self) -> "RatioSplit":
        if self.by == "row" and "history_fraction" in self.model_fields_set:
            raise ValueError("'history_fraction' needs by: query")
        _leave_something_to_train_on(self.validation_fraction, self.test_fraction)
        return self


class FilesSplit(Strict):
    """As the source says for each row: by the files it came from, or by a split column."""

    method: Literal["files"]
    validation_fraction: Fraction = 0.1
    """Share of the training rows, chosen by hash, that become validation where the source has none of its own."""


SplitConfig: TypeAlias = Annotated[LeaveLastNSplit | TimeSplit | RatioSplit | FilesSplit, Field(discriminator="method")]


def _leave_something_to_train_on(*held_out: float) -> None:
    if sum(held_out) >= 1:
        raise ValueError("'validation_fraction' and 'test_fraction' must leave something to train on")
