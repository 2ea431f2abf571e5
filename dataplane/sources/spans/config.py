"""Settings of spans: the section `data.spans`."""

from typing import Literal

from pydantic import Field, field_validator

from dataplane.sources.spans.notation import EXAMPLES, notation_of
from models.spec.strict import Strict


class SpansConfig(Strict):
    """Spans of the interactions: days, hours or numbers, one for each value of `{SPAN}` in their path."""

    last: int | None = Field(default=None, ge=1)
    """Number of spans that a run reads: its own and those before it, a rolling window. All spans up to its own if
    absent. The window is shorter where the data begin."""
    span: str | None = None
    """The span of the run, the newest of its window; `run --span` and `run --spans` set it. The newest that exists if
    absent."""
    kind: Literal["auto", "date", "hour", "number"] = "auto"
    """What spans are. `auto` recognises dates (`2026-11-21`, `20261121`), hours (`2026-11-21T05`, `2026-11-21-05`) and
    other numbers (`7`, `0007`)."""
    every: int = Field(default=1, ge=1)
    """Distance between two spans, in days, hours or numbers: 7 for a weekly date."""
    missing: Literal["fail", "skip", "wait"] = "fail"
    """What to do if a span of the window has no files: `fail` refuses the run, `skip` leaves the span out, `wait`
    waits `wait_minutes` for it and then fails."""
    empty: Literal["fail", "skip"] = "fail"
    """What to do if a span has files but no rows: `fail` refuses the run, `skip` goes on without rows of the span."""
    wait_minutes: float = Field(default=60.0, gt=0, le=10_080)
    """Longest time to wait for missing spans, in minutes."""

    def after_waiting(self) -> "SpansConfig":
        """The settings once the waiting is over, which does not change a result and is no part of a cache key."""
        missing = "fail" if self.missing == "wait" else self.missing
        return self.model_copy(
            update={"missing": missing, "wait_minutes": type(self).model_fields["wait_minutes"].default}
        )

    @field_validator("span", mode="before")
    @classmethod
    def _span_is_text(cls, value: object) -> object:
        # YAML reads 2026-11-21 as text in this project, but 7 and 20261121 as numbers.
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("span")
    @classmethod
    def _span_is_in_a_notation(cls, value: str | None) -> str | None:
        if value is not None and notation_of(value) is None:
            raise ValueError(f"is not a span; allowed: {EXAMPLES}")
        return value
