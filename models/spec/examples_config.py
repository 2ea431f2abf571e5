"""Which training events a step learns from. Free of TensorFlow.

Like a loss, each is named (`examples: sequences`) or given with its parameters. The label of an example always comes
after the history that the query tower sees.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from models.spec.loss_config import named
from models.spec.strict import Strict


class EveryEvent(Strict):
    """Every training event once per epoch, each with the history before it."""

    type: Literal["events"]


EVERY_EVENT = EveryEvent(type="events")


class PerQuery(Strict):
    """At most `n` events of each query per epoch, so that heavy users do not dominate (Covington et al. 2016).

    They are drawn anew for each epoch.
    """

    type: Literal["per_query"]
    n: int = Field(default=10, ge=1)
    """Events per query. A query with fewer contributes all of them."""


class Recent(Strict):
    """As many events as there are, drawn with replacement; recent ones are drawn more often."""

    type: Literal["recent"]
    half_life_days: float = Field(default=30.0, gt=0)
    """Age difference, in days, that halves how often an event is drawn."""


class Sequences(Strict):
    """Windows of a query's events with a label at every position, so that one encoder pass learns from all of them.

    Needs `model.history_encoder` `gru` or `self_attention`, which read in order. Every training event is a label once
    per epoch. A step takes windows with about `training.batch_size` labels in total, so that in-batch negatives cost
    the same as with single events.
    """

    type: Literal["sequences"]


class EventWeights(Strict):
    """Weights of the kinds of events, such as views, carts and purchases."""

    column: str
    """Column of the interactions that names the kind of each event."""
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(min_length=1)
    """Weight of each kind. A kind that is in the data but not here is an error. Events of weight 0 stay in the history
    but are never predicted. If the data also have a weight column, the two weights are multiplied."""

    @model_validator(mode="after")
    def _something_counts(self) -> "EventWeights":
        if not any(self.weights.values()):
            raise ValueError("at least one kind of event needs a weight above 0")
        return self


ExamplesConfig: TypeAlias = Annotated[
    Annotated[EveryEvent | PerQuery | Recent | Sequences, Field(discriminator="type")], BeforeValidator(named)
]
