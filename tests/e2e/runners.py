"""What the tests of Beam runners share: a small data set, the data steps, digests of what they wrote, job servers."""

import hashlib
import os
import random
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest
import yaml

from components.base import Params
from components.example_gen import ExampleGen
from components.schema_gen import SchemaGen
from components.statistics_gen import StatisticsGen
from components.transform import Transform, TransformParams
from dataplane.beam_runner import BeamConfig
from pipeline.config.config import load_config
from pipeline.execution.dag import Pipeline
from pipeline.execution.metadata import Store
from pipeline.execution.progress import PlainProgress
from pipeline.execution.runner import LocalRunner, new_run
from pipeline.execution.selection import Selection
from tests.paths import PROJECT


def _job_server(runner: str) -> Path:
    """Where `make job-server` puts it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return Path(os.environ.get(f"{runner.upper()}_JOB_SERVER_JAR") or cache / f"tfrs-pipeline/{runner}-job-server.jar")


JOB_SERVER, SPARK_JOB_SERVER = _job_server("flink"), _job_server("spark")
FAST_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m")


def _needs(jar: Path) -> pytest.MarkDecorator:
    missing = shutil.which("java") is None or not jar.is_file()
    return pytest.mark.skipif(missing, reason=f"needs Java and a job server at {jar} (make job-server)")


needs_flink, needs_spark = _needs(JOB_SERVER), _needs(SPARK_JOB_SERVER)


def write_data(directory: Path) -> Path:
    """A few files of every table with bad rows among the good, and the configuration that reads them."""
    directory.mkdir()
    chance = random.Random(7)
    for part in range(3):
        rows = [
            f"u{chance.randrange(40)},c{int(chance.paretovariate(1)) % 60},{1_700_000_000 + chance.randrange(10**6)},"
            f"{chance.choice(['phone', 'web', ''])},{chance.randrange(1, 6)}"
            for _ in range(400)
        ]
        rows[10 + part] = f",c1,{1_700_000_000},web,3"
        rows[20 + part] = "u1,c1,not a time,web,3"
        lines = ["user,item,time,device,rating", *rows]
        (directory / f"events-{part}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    users = [f"u{n},{chance.choice(['NL', 'DE', 'FR'])},{chance.random() * 60:.3f}" for n in range(50)]
    users.append("u3,XX,1")
    (directory / "users.csv").write_text("\n".join(["user,country,age", *users]) + "\n", encoding="utf-8")
    words = ["red", "green", "blue", "new", "old", "große"]
    items = [f"c{n},{' '.join(chance.choices(words, k=3))},{'|'.join(chance.sample('abc', 2))}" for n in range(60)]
    (directory / "items.csv").write_text("\n".join(["item,title,genres", *items]) + "\n", encoding="utf-8")
    columns = {"query_id": "user", "candidate_id": "item", "timestamp": "time", "weight": "rating"}
    config = {
        "schema_version": 1,
        "name": "runners",
        "data": {
            "max_bad_fraction": 0.05,
            "interactions": {"format": "csv", "path": "events-*.csv", "columns": columns},
            "queries": {"format": "csv", "path": "users.csv", "id": "user"},
            "candidates": {"format": "csv", "path": "items.csv", "id": "item", "list_columns": {"genres": "|"}},
        },
        "features": {
            "query": {"country": {"type": "categorical"}, "age": {"type": "numeric"}},
            "context": {"device": {"type": "categorical"}},
            "candidate": {"title": {"type": "text"}, "genres": {"type": "categorical", "max_values": 2}},
        },
    }
    file = directory / "runners.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    return file


def run_data_steps(config: Path, root: Path, beam: BeamConfig, *, shards: int | None = None, only: str = "") -> None:
    """Runs the steps that are made of Beam pipelines, or one of them."""
    loaded = load_config(config)
    pipeline = Pipeline(loaded.name)
    examples = pipeline.add(ExampleGen(loaded.data))["examples"]
    statistics = pipeline.add(StatisticsGen(Params()), examples=examples)["statistics"]
    schema = pipeline.add(SchemaGen(loaded.pinned_schema), statistics=statistics)["schema"]
    params = TransformParams(split=loaded.resolved_split, features=loaded.features, shards=shards)
    pipeline.add(Transform(params), examples=examples, schema=schema)
    run = new_run(config)
    LocalRunner(Store(root, loaded.name), beam, PlainProgress(loaded.name)).run(pipeline, run, Selection(only=only))


def digests(root: Path) -> dict[str, str]:
    """SHA-256 of every file that finished steps wrote, by step and place in its outputs.

    TensorFlow does not write the same SavedModel twice in the same bytes, and where shards end is not a result.
    """
    found = {}
    for manifest in root.glob("runners/*/*/manifest.json"):
        for file in manifest.parent.rglob("*"):
            place = file.relative_to(manifest.parent)
            if file.is_file() and file != manifest and "saved_model" not in place.parts:
                found[f"{manifest.parent.parent.name}/{place}"] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def worker_environment(directory: Path) -> Path:
    """Installs the source distribution alone into an environment beside our libraries; its `tfrs-beam-worker`.

    The worker starts elsewhere and without PYTHONPATH, so that nothing of the source tree can help it.
    """
    python = directory / "venv" / "bin" / "python"
    command = [sys.executable, "setup.py", "-q", "egg_info", "-e", str(directory), "sdist", "-d", str(directory)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    (archive,) = directory.glob("*.tar.gz")
    with tarfile.open(archive) as contents:
        contents.extractall(directory, filter="data")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory / "venv"], check=True)
    (site_packages,) = (directory / "venv").glob("lib/python*/site-packages")
    (site_packages / "libraries.pth").write_text(sysconfig.get_paths()["purelib"])
    subprocess.run(
        [python, "setup.py", "-q", "install", "--single-version-externally-managed", "--record=installed.txt"],
        cwd=archive.with_name(archive.name.removesuffix(".tar.gz")),
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        check=True,
        capture_output=True,
    )
    worker = directory / "worker"
    worker.write_text(f'#!/bin/sh\nunset PYTHONPATH\ncd /\nexec {python.with_name("tfrs-beam-worker")} "$@"\n')
    worker.chmod(0o755)
    return worker
