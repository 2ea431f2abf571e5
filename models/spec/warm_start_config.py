"""Where a training starts: from random weights, or from the weights of an earlier model."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from models.spec.strict import Strict

OFF, PUBLISHED, RUN = "off", "published", "run:"


class WarmStart(Strict):
    """Which model a training starts from, and what it takes over.

    Rows of embedding tables are carried by value, wherever a value stands in the new vocabulary, with the optimiser's
    moments of the row. `auto` settings keep the choices of the base: recipe, temperature, labels and the length of the
    embeddings. A closed form starts its iteration from the base's vectors.
    """

    base: Annotated[str, Field(pattern=r"^(off|published|run:[^/\s]+)$")] = OFF
    """The model to start from. `published`: the one that is served when the run begins; without one, the training is
    cold. `run:ID`: the one that a run trained. `off`: random weights."""
    towers: Literal["carry", "reset"] = "carry"
    """`reset` carries the embedding tables alone; the layers above them start from random weights, and so does the
    optimiser's state."""
    optimizer: Literal["carry", "reset"] = "carry"
    """Whether the optimiser's moments and its count of steps are carried. They are reset with `cross_batch` or `mined`
    negatives and with `streaming` frequencies, whose memory begins empty, and after another optimiser."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Step size of a warm training; that of `training` if absent. A schedule begins anew (learning-rate rewinding,
    Renda et al. 2020)."""
    max_epochs: int | None = Field(default=None, ge=1)
    """Maximum number of epochs of a warm training; that of `training` if absent."""
    new_ids: Literal["features", "unknown"] = "features"
    """Start of the ids that the base did not know. `features`: a ridge regression from their other features to the
    carried rows of the same table; `unknown` without other features. `unknown`: the out-of-vocabulary row, which
    answered for them until now."""
    cold_every: int | None = Field(default=None, ge=2)
    """Train from random weights, and compare what `auto` leaves open, after every `cold_every - 1` warm trainings.
    Never if absent."""
    on_mismatch: Literal["refuse", "cold"] = "refuse"
    """What happens if the base cannot be used: it has other features, dimensions or layers, its files are missing, or
    it was trained on events that this run holds out. `refuse` ends the run, `cold` starts from random weights and says
    why."""

    @model_validator(mode="after")
    def _has_a_base(self) -> "WarmStart":
        # Compares with the defaults, so that a configuration written out in full can be read again.
        if self.base == OFF and self != WarmStart.model_construct():
            raise ValueError("has settings but no 'base'; allowed: published, run:ID")
        return self

    @property
    def is_on(self) -> bool:
        """Whether the training may start from another model."""
        return self.base != OFF

    @property
    def run_id(self) -> str:
        """Id of the run whose model is the base; "" for another base."""
        return self.base.removeprefix(RUN) if self.base.startswith(RUN) else ""


def _named(value: Any) -> Any:
    """A mapping for a name; YAML reads a bare `off` as false."""
    if value is None or value is False:
        return {}
    return {"base": value} if isinstance(value, str) else value


WarmStartConfig: TypeAlias = Annotated[WarmStart, BeforeValidator(_named)]
