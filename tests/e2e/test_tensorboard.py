"""The real TensorBoard of this environment over a finished run, started as the documentation says."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest

from dataplane.beam_runner.addresses import free_port
from tests.e2e.conftest import Project

pytestmark = pytest.mark.e2e
CANDIDATES = quote("tensorboard/candidates", safe="")


class Board:
    """A running TensorBoard.

    Attributes:
        log: what it printed.
    """

    def __init__(self, directory: Path, log: Path) -> None:
        self.log, self._port = log, free_port()
        program = Path(sys.executable).with_name("tensorboard")
        command = [str(program), "--logdir", str(directory), "--host", "127.0.0.1", "--port", str(self._port)]
        with log.open("w") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=file)

    def text(self, what: str) -> str:
        """An answer of a plugin."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/data/plugin/{what}", timeout=30) as answer:
            return str(answer.read().decode())

    def loaded(self, what: str) -> Any:
        """A JSON answer, once all runs are loaded and the answer is not empty."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(OSError):
                if answer := json.loads(self.text(what)):
                    return answer
            time.sleep(0.2)
        raise AssertionError(self.log.read_text())


@pytest.fixture
def board(shop: Project, tmp_path: Path) -> Iterator[Board]:
    board = Board(shop.root / "shop", tmp_path / "log")
    yield board
    board.process.terminate()
    board.process.wait()


def test_tensorboard_has_the_learning_curve_and_the_candidates_with_titles(shop: Project, board: Board) -> None:
    shown = board.loaded(f"projector/info?run={CANDIDATES}")["embeddings"][0]
    candidates = pq.read_table(shop.artifact("shop", "ExampleGen", "examples").path / "candidates")
    assert (shown["tensorName"], shown["tensorShape"]) == ("candidates", [len(candidates), 16])
    names = board.text(f"projector/metadata?run={CANDIDATES}&name=candidates").splitlines()
    titles = dict(zip(candidates["candidate_id"].to_pylist(), candidates["title"].to_pylist(), strict=True))
    assert sorted(names) == sorted(["id\ttitle", *("\t".join(row) for row in titles.items())])
    training = shop.artifact("shop", "Trainer", "model").read_json("training.json")
    curves = [run for run in board.loaded("scalars/tags") if run.startswith("Trainer/")]
    points = board.loaded(f"scalars/scalars?run={quote(curves[0], safe='')}&tag={quote('recall@10')}")
    curve = {entry["step"]: entry["recall@10"] for entry in training["curve"]}
    assert {step: value for _, step, value in points} == pytest.approx(curve)
