"""Which training events a step learns from. Free of TensorFlow.

Like a loss, each is named (`examples: sequences`) or given with its parameters. The label of an example is always
later than what the query tower sees of the query.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from models.spec.loss_config import named
from models.spec.strict import Strict


class EveryEvent(Strict):
    """Every training event once an epoch, each with the history before it."""

    type: Literal["events"]


EVERY_EVENT = EveryEvent(type="events")


class PerQuery(Strict):
    """So many events of each query an epoch, drawn anew, lest heavy users dominate (Covington et al. 2016)."""

    type: Literal["per_query"]
    n: int = Field(default=10, ge=1)
    """Events a query; all of them where it has no more."""


class Recent(Strict):
    """As many events as there are, drawn with replacement, recent ones more often."""

    type: Literal["recent"]
    half_life_days: float = Field(default=30.0, gt=0)
    """An event so much older than the newest one is drawn half as often."""


class Sequences(Strict):
    """Windows of a query's events, a label at every position: one pass of the encoder learns from all of them.

    Needs a history encoder that reads in order, `gru` or `self_attention`. An epoch has every training event as a
    label once; windows of about `training.batch_size` labels make a step, so that in-batch negatives cost what they
    cost with single events.
    """

    type: Literal["sequences"]


class EventWeights(Strict):
    """How much events of each kind count, such as views, carts and purchases."""

    column: str
    """Column of the interactions that says what kind of action an event is."""
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(min_length=1)
    """Weight by kind; one that the data have and this does not is refused. 0 keeps an event in the history without
    learning to predict it. Where the data have a weight column, too, both are multiplied."""

    @model_validator(mode="after")
    def _something_counts(self) -> "EventWeights":
        if not any(self.weights.values()):
            raise ValueError("at least one kind of event has to count")
        return self


ExamplesConfig: TypeAlias = Annotated[
    Annotated[EveryEvent | PerQuery | Recent | Sequences, Field(discriminator="type")], BeforeValidator(named)
]
