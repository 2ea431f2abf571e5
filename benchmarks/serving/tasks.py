"""What the measured processes are asked, and what they answer."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.harness.report import Record


class Question(Record):
    """A request with one instance, by the model's features."""

    country: str
    age: int | None
    device: str
    history: tuple[str, ...]


class Load(Record):
    """Requests for the load generator to send.

    Without a rate the loop is closed: every connection sends its next request when it has its answer. With a rate the
    loop is open: requests are due at fixed times, whatever the server does, and their latency counts from then.

    Attributes:
        port: of the server, on the loopback interface.
        path: of the requests.
        bodies: of the requests, sent in turn.
        connections: how many are kept open.
        seconds: how long, unless SIGTERM comes earlier.
        rate: requests a second.
    """

    port: int
    path: str
    bodies: Sequence[str]
    connections: int
    seconds: float
    rate: int | None = None


class InProcessTask(Record):
    """Calls of a model's signature without a server.

    Attributes:
        model: directory of the SavedModel.
        questions: requests, called in turn.
        batches: how many requests a call has; one measurement each.
        seconds: of each measurement.
    """

    model: Path
    questions: Sequence[Question]
    batches: Sequence[int]
    seconds: float


class Outcome(Record):
    """What came of a load.

    Attributes:
        requests: how many were answered.
        seconds: by the clock.
        errors: failed requests by status or exception.
        latencies_ms: of each answer.
    """

    requests: int
    seconds: float
    errors: Mapping[str, int]
    latencies_ms: Sequence[float]


class InProcessOutcomes(Record):
    """An outcome for each batch size; a call counts as its rows."""

    outcomes: Sequence[Outcome]
