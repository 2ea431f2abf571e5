"""A small test job that checks whether workers and this process see each other's files."""

import socket
import tempfile
import uuid
from pathlib import Path

import apache_beam as beam

from dataplane.beam_runner.base import BeamConfig
from dataplane.errors import RunError

_TOKEN = "token"  # noqa: S105


def check_shared_files(config: BeamConfig, root: Path) -> None:
    """Makes workers read a file below `root` and write others beside it.

    Raises:
        RunError: a worker does not see the file, or this process does not see what workers wrote.
    """
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".workers-") as name:
        directory, token = Path(name), uuid.uuid4().hex
        (directory / _TOKEN).write_text(token, encoding="utf-8")
        numbers = list(range(2 * config.concurrency()))
        with config.pipeline() as pipeline:
            _ = pipeline | beam.Create(numbers) | beam.Reshuffle() | beam.Map(_answer, name, token)
        missing = [number for number in numbers if not (directory / str(number)).is_file()]
        if missing:
            raise RunError(
                f"workers wrote {len(missing)} of {len(numbers)} files into {root} that this machine does not see: the "
                "root must be on a file system that this machine and all workers share, under the same path"
            )


def _answer(number: int, directory: str, token: str) -> None:
    file = Path(directory, _TOKEN)
    if not file.is_file() or file.read_text(encoding="utf-8") != token:
        raise RunError(
            f"the worker on {socket.gethostname()} does not see {file.parent.parent}: the root must be on a file "
            "system that this machine and all workers share, under the same path"
        )
    file.with_name(str(number)).write_text(socket.gethostname(), encoding="utf-8")
