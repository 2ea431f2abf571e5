"""A run as JSON, one object a line: time, pipeline, run, step, event and the event's fields."""

import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TextIO

from pydantic_core import to_json

from models.spec.progress import Advanced, Decided, Report, Validated
from pipeline.execution.metadata import Step, now
from pipeline.execution.progress import Throttle

_KINDS = ("warning", "error")


class JsonStream(io.TextIOBase):
    """Takes the place of the standard error stream, so that whatever is printed there is a JSON object too.

    Attributes:
        stream: where the lines go.
        place: the pipeline, run and step of the lines.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.place = {"pipeline": "", "run": "", "step": ""}

    def event(self, event: str, fields: Mapping[str, Any]) -> None:
        """Writes an event."""
        line = {"time": now(), **self.place, "event": event, "fields": dict(fields)}
        self.stream.write(to_json(line, inf_nan_mode="strings", fallback=str).decode() + "\n")
        self.stream.flush()

    def write(self, text: str) -> int:
        """Writes a printed text as the event `warning`, `error` or `message`."""
        kind, colon, rest = text.strip("\n").partition(": ")
        if colon and kind in _KINDS:
            self.event(kind, {"message": rest})
        elif told := text.strip("\n"):
            self.event("message", {"message": told})
        return len(text)

    def fileno(self) -> int:
        """The descriptor that is written to."""
        return self.stream.fileno()

    def flush(self) -> None:
        """Writes what is held back."""
        self.stream.flush()


def stderr_as_json() -> JsonStream:
    """The standard error stream if it takes JSON already, else a stream that writes to it."""
    return sys.stderr if isinstance(sys.stderr, JsonStream) else JsonStream(sys.stderr)


class JsonProgress:
    """Events of a run as JSON lines on the standard error stream."""

    def __init__(self, pipeline: str, run: str) -> None:
        self._stream = stderr_as_json()
        self._stream.place = {"pipeline": pipeline, "run": run, "step": ""}
        self._throttle = Throttle()

    def planned(self, nodes: Sequence[str]) -> None:
        """See `Progress`."""
        self._stream.event("run_started", {"steps": list(nodes)})

    def step_started(self, node: str) -> None:
        """See `Progress`."""
        self._throttle.reset()
        self._in_step(node)
        self._stream.event("step_started", {})

    def step_progress(self, report: Report) -> None:
        """See `Progress`."""
        if not self._throttle.lets_through(report):
            return
        if isinstance(report, Advanced):
            self._stream.event("progress", asdict(report))
        elif isinstance(report, Validated):
            self._stream.event("validation", asdict(report))
        elif isinstance(report, Decided):
            self._stream.event("decision", {"message": report.text, **report.facts})
        else:
            self._stream.event("activity", {"message": report})

    def step_finished(self, step: Step, facts: Mapping[str, object]) -> None:
        """See `Progress`."""
        self._in_step(step.node)
        self._stream.event("step_finished", {"state": step.state, "seconds": round(step.seconds, 3), "facts": facts})
        self._in_step("")

    def warned(self, line: str) -> None:
        """See `Progress`."""
        self._stream.event("warning", {"message": line})

    def _in_step(self, node: str) -> None:
        self._stream.place = {**self._stream.place, "step": node}
