"""A Beam pipeline whose step never ends, in a process of its own.

    python -m tests.components.endless_step '{"runner": …}' DIRECTORY

Every process that works on the step leaves a file in the directory that is named by its id.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
from pydantic import TypeAdapter

from dataplane.beam_runner import AnyRunner, BeamConfig
from dataplane.bound_process import end_with_parent


class Endless(beam.DoFn):
    def __init__(self, directory: str) -> None:
        self._directory = directory

    def process(self, number: int) -> Iterator[int]:
        Path(self._directory, str(os.getpid())).touch()
        while True:
            time.sleep(0.1)
        yield number


def main(runner: str, directory: str) -> None:
    """Ends with code 3 if it is interrupted, as a run does."""
    config: BeamConfig = TypeAdapter(AnyRunner).validate_python(json.loads(runner))
    try:
        with config.pipeline() as pipeline:
            numbers = pipeline | beam.Create(range(4)) | beam.Reshuffle()
            _ = numbers | beam.ParDo(Endless(directory))
    except KeyboardInterrupt:
        sys.exit("interrupted")


if __name__ == "__main__":
    import signal

    end_with_parent(os.getppid())  # a test that is killed leaves nothing behind
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as `run` has it
    main(*sys.argv[1:])
