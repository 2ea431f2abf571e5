"""Commands killed anywhere: the same command, given again, comes to what an undisturbed one comes to.

A command is killed at one of its accesses to files below the root, before that access is made, or at any instant. Ten
kills are made in every test run; `-m slow` makes a hundred.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dataplane.files.digests import digests_below
from pipeline.execution.metadata import Store
from serving.model.descriptions import read_identity
from serving.model.identities import part_digest
from serving.model.version_digests import check_version
from serving.published.publishing import Publisher
from tests.e2e.conftest import Project, cli

pytestmark = pytest.mark.e2e

CONFIG = {
    "data": {
        "interactions": {
            "format": "csv",
            "path": "events.csv",
            "columns": {"query_id": "u", "candidate_id": "i", "timestamp": "t"},
        },
        "candidates": {"format": "csv", "path": "items.csv", "id": "id"},
    },
    "features": {"candidate": {"genre": {"type": "categorical"}}},
    "model": {"embedding_dim": 8, "query_tower": {"layers": []}, "temperature": 0.1},
    "training": {"max_epochs": 1, "batch_size": 128},
    "evaluation": {"min_lift_over_popularity": {"ndcg@10": 0}, "min_lift_over_published": {"ndcg@10": 0}},
    "serving": {"top_k": 20},
    "recommendations": None,
}
COMMANDS = ("run", "refresh-index", "run again", "rollback", "clean")
VARYING = {"infra_blessing.json", "pushed.json"}
"""Files with latencies and version numbers in them."""
MODELS = {"model": "towers", "transform_graph": "saved_model"}
"""Outputs with names of functions and times in their files: what they hold is compared."""


class Crashing:
    """The process that forks commands, see `tests.e2e.crashing`."""

    def __init__(self, root: Path) -> None:
        command = [sys.executable, "-m", "tests.e2e.crashing", str(root)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == "ready\n"

    def run(self, arguments: list[Any], *, at: int = 0, after: float | None = None) -> dict[str, Any]:
        """Runs a command; kills it at an access to a file, or after some seconds."""
        asked = {"arguments": [str(argument) for argument in arguments], "at": at}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        child = int(self._process.stdout.readline())
        if after is not None:
            time.sleep(after)
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


@dataclass
class World:
    """A root after each of several commands.

    Attributes:
        project: its directory and root.
        crashing: runs commands in it.
        arguments: of each command.
        before: a copy of the root before each command.
        after: what the root holds after each.
        accesses: how many files below the root each accesses.
        seconds: how long each takes.
    """

    project: Project
    crashing: Crashing
    arguments: dict[str, list[Any]] = field(default_factory=dict)
    before: dict[str, Path] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    accesses: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def go(self, name: str, arguments: list[Any]) -> None:
        """Runs a command undisturbed and keeps what there is to know about it."""
        self.before[name] = self.project.directory / f"before {name}"
        if self.project.root.exists():
            shutil.copytree(self.project.root, self.before[name], symlinks=True)
        self.arguments[name] = [*arguments, "--root", self.project.root]
        began = time.monotonic()
        result = self.crashing.run(self.arguments[name])
        assert result["code"] == 0, result["told"]
        self.seconds[name], self.accesses[name] = time.monotonic() - began, result["accesses"]
        self.after[name] = content(self.project.root)

    def restore(self, name: str) -> None:
        """Makes the root what it was before a command."""
        shutil.rmtree(self.project.root, ignore_errors=True)
        if self.before[name].exists():
            shutil.copytree(self.before[name], self.project.root, symlinks=True)


def content(root: Path) -> dict[str, Any]:
    """What counts of a root: files of the artifacts by step and cache key, and the published versions' identities."""
    store, artifacts = Store(root, "front"), {}
    for execution in (found for node in store.nodes() for found in store.executions(node)):
        assert store.damage(execution) == ""
        held = {name: output_content(store.output(execution, name)) for name in execution.outputs}
        artifacts[execution.node, execution.fingerprint] = held
    publisher = Publisher(root / "serving", "front")
    versions = publisher.versions()
    for model in publisher.models:
        for version in versions:
            assert check_version(root / "serving" / model / str(version.version)) == []
    told = [(it.complete, it.identity, it.refresh_of, it.rollback is not None) for it in versions]
    return {"artifacts": artifacts, "versions": told}


def output_content(output: Path) -> Any:
    """What an artifact holds: a model's identity, or the digests of the files."""
    if output.name == "serving_model":
        return read_identity(output / "exact"), read_identity(output / "scann")
    if output.name in MODELS:
        return part_digest(output / MODELS[output.name])
    return {path: digest for path, digest in digests_below(output).items() if path not in VARYING}


def leftovers(root: Path) -> list[Path]:
    """What nobody needs: executions without a manifest, records and versions that were never finished."""
    unfinished = [it.parent for it in root.glob("front/[A-Z]*/*/*") if not (it.parent / "manifest.json").exists()]
    hidden = [*root.glob("front/runs/.*"), *root.glob("front/*/*/.*"), *root.glob("serving/.front/staging/*")]
    return [*unfinished, *hidden, *root.glob("front/.resume/*")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A run, a refresh of its index, a run that trains another model, a rollback to the first, and a clean-up."""
    project = Project(tmp_path_factory.mktemp("crashes"))
    chance = random.Random(0)
    events = [f"u{query},i{query % 4 * 10 + chance.randrange(10)},{100 * n}" for query in range(60) for n in range(6)]
    (project.directory / "events.csv").write_text("\n".join(["u,i,t", *events, ""]))
    for name, numbers in (("items.csv", range(40)), ("new.csv", range(2, 44))):
        rows = [f"i{number},g{number // 10 % 4}" for number in numbers]
        (project.directory / name).write_text("\n".join(["id,genre", *rows, ""]))
    config = project.write_config("front", **CONFIG)
    made = World(project, Crashing(project.root))
    made.go("run", ["run", config])
    made.go("refresh-index", ["refresh-index", config, "--set", "data.candidates.path=new.csv"])
    made.go("run again", ["run", config, "--set", "seed=7"])
    first = Publisher(project.root / "serving", "front").versions()[0].version
    made.go("rollback", ["rollback", "front", first])
    made.go("clean", ["clean", "front", "--keep-runs", "1"])
    yield made
    made.crashing.close()


def kills(count: int, seed: int) -> list[tuple[str, str, float]]:
    """Commands, how they are killed, and where on their way, of 1."""
    chance = random.Random(seed)
    return [
        (COMMANDS[number % len(COMMANDS)], ("access", "instant")[number // len(COMMANDS) % 2], chance.random())
        for number in range(count)
    ]


def check(world: World, command: str, way: str, place: float) -> None:
    """Kills a command, gives it again, and compares what came out with the undisturbed command's."""
    world.restore(command)
    if way == "access":
        killed = world.crashing.run(world.arguments[command], at=1 + int(place * (world.accesses[command] - 1)))
        assert killed["code"] == -signal.SIGKILL
    else:
        killed = world.crashing.run(world.arguments[command], after=place * world.seconds[command])
        assert killed["code"] in (0, -signal.SIGKILL), killed["told"]
    if (world.project.root / "front" / "runs").exists():
        looked = cli("status", "front", "--root", world.project.root)
        assert (looked.code, looked.err) == (0, "")
    again = world.crashing.run(world.arguments[command])
    assert again["code"] == 0, again["told"]
    assert "Traceback" not in again["told"]
    found = content(world.project.root)
    assert found["versions"] == world.after[command]["versions"]
    assert found["artifacts"] == world.after[command]["artifacts"]
    assert leftovers(world.project.root) == []


@pytest.mark.parametrize(("command", "way", "place"), kills(10, seed=1))
def test_a_killed_command_given_again_comes_to_the_same(world, command, way, place):
    check(world, command, way, place)


@pytest.mark.slow
@pytest.mark.parametrize(("command", "way", "place"), kills(100, seed=2))
def test_so_does_one_killed_at_any_of_a_hundred_places(world, command, way, place):
    check(world, command, way, place)
