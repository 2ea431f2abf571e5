"""What the measured processes are asked, and what they answer."""

from pathlib import Path

from benchmarks.harness.report import Record

TOP_K = 50
"""Recommendations of a query."""


class Task(Record):
    """A finished run to work on.

    Attributes:
        run: the pipeline's directory, `ROOT/NAME`.
        scratch: for outputs.
    """

    run: Path
    scratch: Path


class Timing(Record):
    """Seconds that something took.

    Attributes:
        side: what was timed.
        queries: how many queries were answered meanwhile.
        seconds: by the clock.
    """

    side: str
    queries: int
    seconds: float

    @property
    def queries_per_s(self) -> float:
        """The rate."""
        return self.queries / self.seconds


class BareIndex(Record):
    """What the search operation alone took."""

    search: Timing


class Component(Record):
    """What BulkInferrer took.

    Attributes:
        whole: from the call to its return.
        without_towers: after the queries are embedded.
        running: from the first shard written to the last; absent if there is one shard.
    """

    whole: Timing
    without_towers: Timing
    running: Timing | None
