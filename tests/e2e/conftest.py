"""Whole pipelines, run through the command line in this process: TensorFlow is imported once for all of them."""

import contextlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from dataplane.artifacts import Artifact
from pipeline.cli import main
from pipeline.execution.metadata import Store


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


def cli(*arguments) -> Result:
    """Runs a command as a user would, without a new process."""
    out, err = io.StringIO(), io.StringIO()
    handlers, level = logging.root.handlers[:], logging.root.level
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(argument) for argument in arguments])
    finally:
        logging.root.handlers, logging.root.level = handlers, level
        logging.captureWarnings(False)
    return Result(code, out.getvalue(), err.getvalue())


def killed_when(find: Callable[[], Iterable[Path]], *arguments) -> None:
    """Starts a command in a process of its own and kills it as soon as `find` finds something."""
    command = [sys.executable, "-m", "pipeline", *map(str, arguments)]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not any(True for _ in find()):
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


@dataclass(frozen=True)
class Project:
    """A directory with configurations, data and a root."""

    directory: Path

    @property
    def root(self) -> Path:
        return self.directory / "runs"

    def write_config(self, name: str, **sections) -> Path:
        file = self.directory / f"{name}.yaml"
        values = {"schema_version": 1, "name": name, **sections}
        file.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
        return file

    def run(self, config: Path, *options, code: int = 0) -> Result:
        result = cli("run", config, "--root", self.root, *options)
        assert result.code == code, result.err
        return result

    def states(self, name: str) -> dict[str, str]:
        """Step states of the newest run."""
        return {step.node: step.state for step in Store(self.root, name).runs()[-1].steps}

    def artifact(self, name: str, node: str, output: str) -> Artifact:
        """The artifact of the newest run."""
        store = Store(self.root, name)
        step = next(step for step in store.runs()[-1].steps if step.node == node)
        return Artifact(store.execution_directory(node, step.execution) / output)

    def metrics(self, name: str) -> dict:
        return self.artifact(name, "Evaluator", "evaluation").read_json("metrics.json")

    def pushed(self, name: str) -> dict:
        return self.artifact(name, "Pusher", "pushed_model").read_json("pushed.json")

    def recommend(self, name: str, *options) -> list[str]:
        """Ids answered by the published model."""
        result = cli("recommend", name, "--root", self.root, "--json", *options)
        assert result.code == 0, result.err
        return [candidate["id"] for candidate in json.loads(result.out)["candidates"]]


QUICK: dict[str, dict[str, Any]] = {
    "training": {"max_epochs": 2, "batch_size": 256},
    "model": {"embedding_dim": 16, "query_tower": {"layers": [16]}, "temperature": 0.1},
}
"""Sections that make a small model, for tests of anything but quality."""


@pytest.fixture
def project(tmp_path) -> Project:
    return Project(tmp_path)


@pytest.fixture(scope="session")
def shop(tmp_path_factory) -> Project:
    """A finished run of pipeline `shop` on synthetic data; tests must not change it."""
    project = Project(tmp_path_factory.mktemp("shop"))
    config = project.write_config(
        "shop",
        data={"interactions": {"format": "synthetic", "queries": 300, "candidates": 150, "events_per_query": 15}},
        features={
            "query": {"country": {"type": "categorical"}, "age": {"type": "numeric"}},
            "context": {"device": {"type": "categorical"}},
            "candidate": {"genres": {"type": "categorical", "max_values": 3}, "title": {"type": "text"}},
        },
        evaluation={"slices": ["country"]},
        serving={"top_k": 20},
        **{**QUICK, "training": {"max_epochs": 8, "batch_size": 128}},
    )
    project.run(config)
    return project
