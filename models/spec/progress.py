"""What a step reports while it works, as plain values that can be sent from one process to another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Advanced:
    """How far a piece of work is.

    Attributes:
        done: number of units done.
        total: number of units in all.
        unit: what is counted, in the plural, such as "steps".
        may_end_early: whether the work may end before `total`, such as a training that stops early.
    """

    done: int
    total: int
    unit: str
    may_end_early: bool = False


@dataclass(frozen=True)
class Validated:
    """A validation of a training.

    Attributes:
        epoch: epochs trained so far; a whole number only at the end of an epoch.
        step: steps trained so far.
        loss: mean loss since the last validation.
        metric: name of the metric that selects the weights.
        value: its value.
        best: its best value so far.
        best_step: the step of the best value.
    """

    epoch: float
    step: int
    loss: float
    metric: str
    value: float
    best: float
    best_step: int

    def __str__(self) -> str:
        return (
            f"epoch {self.epoch:.1f}, step {self.step}: loss {self.loss:.4f}, validation {self.metric} "
            f"{self.value:.4f} (best {self.best:.4f} at step {self.best_step})"
        )


@dataclass(frozen=True)
class Decided:
    """Something that was settled on the way and that a log must not lose, such as the result of a trial.

    Attributes:
        text: the decision in words.
        facts: its numbers and names.
    """

    text: str
    facts: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text


Report = str | Advanced | Validated | Decided
"""A text says what the step does now."""
Progress = Callable[[Report], None]
"""Takes reports."""


def unheard(report: Report) -> None:
    """Takes a report and does nothing."""
