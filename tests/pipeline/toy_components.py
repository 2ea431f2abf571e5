"""Real components that are quick: numbers written to files, for tests of what runs components."""

import errno
import os
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from components.base import Component, ExecutionContext, NoInputs, Params, Prepared
from dataplane.artifacts import Examples, Model, Statistics
from dataplane.errors import DataError


class SourceParams(Params):
    number: int = 1
    file: Path | None = None


class Source(Component):
    """Writes a number, plus the one in a file outside."""

    Inputs = NoInputs

    @dataclass(frozen=True)
    class Outputs:
        examples: Examples

    def execute(self, inputs, outputs, context: ExecutionContext):
        return self._write(self._outside(), inputs, outputs, context)

    def prepare(self):
        outside = self._outside()
        return Prepared({"number": outside} if outside else {}, partial(self._write, outside))

    def _outside(self):
        return self.params.file.read_text() if self.params.file else ""

    def _write(self, outside, inputs, outputs, context):
        extra = int(outside or 0)
        outputs.examples.write_json("number.json", self.params.number + extra)
        return {"number": self.params.number + extra}


class AddParams(Params):
    amount: int = 1
    crash: Path | None = None
    """Fail where this file exists: with its content as the message, or by kill -9 if it is empty."""


class Add(Component):
    """Adds to the number."""

    @dataclass(frozen=True)
    class Inputs:
        examples: Examples

    @dataclass(frozen=True)
    class Outputs:
        statistics: Statistics

    def execute(self, inputs, outputs, context: ExecutionContext):
        outputs.statistics.write_json("partial.json", "half-way")
        if context.resume is not None:
            outputs.statistics.write_json("resumed.json", context.resume.exists())
            context.resume.mkdir(parents=True, exist_ok=True)
        if self.params.crash and self.params.crash.exists():
            if message := self.params.crash.read_text():
                raise OSError(errno.ENOSPC, message) if "disk" in message else DataError(message)
            os.kill(os.getpid(), signal.SIGKILL)
        outputs.statistics.write_json("number.json", inputs.examples.read_json("number.json") + self.params.amount)
        return {}


class Finish(Component):
    """Takes a number on, and optionally a model."""

    @dataclass(frozen=True)
    class Inputs:
        statistics: Statistics
        reference: Model | None = None

    @dataclass(frozen=True)
    class Outputs:
        model: Model

    def execute(self, inputs, outputs, context: ExecutionContext):
        with context.scratch_directory() as scratch:
            (scratch / "temporary").touch()
        outputs.model.write_json("number.json", inputs.statistics.read_json("number.json"))
        return {}
