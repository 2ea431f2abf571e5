"""Runs of methods on a data set; what an earlier call made is read."""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.baselines import BaselineName
from benchmarks.datasets import DatasetName
from benchmarks.datasets.sources import SOURCES, Source
from benchmarks.harness.processes import run_task, say
from benchmarks.quality.names import DEFAULT
from benchmarks.quality.per_query import read_per_query
from benchmarks.quality.systems import slug, write_config
from benchmarks.quality.tasks import BaselineTask, Run, RunTask, SystemTask
from dataplane.errors import ConfigError
from pipeline.config.config import PipelineConfig, load_config

_OF_DATA = ("data", "split", "features", "seed")
_OF_MODEL = (*_OF_DATA, "model", "training", "remove_seen")
_QUICK_CHOICES = 1


@dataclass(frozen=True)
class Plan:
    """What is asked for.

    Attributes:
        data: has the folders of data sets that need files.
        work: keeps what is made.
        systems: configurations to train.
        baselines: methods to compare with.
        seeds: trainings of each system.
        is_quick: whether training is cut short, and baselines have one choice.
    """

    data: Path | None
    work: Path
    systems: Sequence[str]
    baselines: Sequence[BaselineName]
    seeds: int
    is_quick: bool


@dataclass(frozen=True)
class Method:
    """A method on a data set.

    Attributes:
        name: of the method.
        is_baseline: whether it is a baseline.
        runs: one for each seed.
        per_query: mean over the seeds of each query's test metrics, by name; empty where the method was skipped.
    """

    name: str
    is_baseline: bool
    runs: Sequence[Run]
    per_query: Mapping[str, np.ndarray]

    @property
    def is_skipped(self) -> bool:
        """Whether the method does not fit the data."""
        return not self.per_query

    def validation(self, metric: str) -> float:
        """Mean over the seeds."""
        return float(np.mean([run.validation[metric] for run in self.runs]))

    def test(self, metric: str) -> float:
        """Mean over the seeds."""
        return float(np.mean([run.test[metric] for run in self.runs]))


def methods_on(name: DatasetName, plan: Plan) -> Iterator[Method]:
    """Runs all methods on a data set; a system that does not fit the data is left out with a message."""
    source, directory = SOURCES[name], plan.work / name.replace(" ", "_")
    own = _config(DEFAULT, source, directory, plan)
    for baseline in plan.baselines:
        yield _baseline(baseline, source, directory, own, plan)
    for system in plan.systems:
        try:
            config = _config(system, source, directory, plan)
            load_config(config)
        except ConfigError as error:
            print(f"{name}: {system} does not fit: {error}", file=sys.stderr)
            continue
        yield _system(system, source, directory, config, plan)


def _config(system: str, source: Source, directory: Path, plan: Plan) -> Path:
    return write_config(system, source, data=plan.data, work=plan.work, directory=directory, is_quick=plan.is_quick)


def _baseline(name: BaselineName, source: Source, directory: Path, file: Path, plan: Plan) -> Method:
    features = _digest(load_config(file), _OF_DATA)
    task = BaselineTask(
        baseline=name,
        config=file,
        prepared=directory / f"prepared-{features}",
        output=directory / "baseline" / f"{slug(name)}-{features}",
        at=source.at,
        metric=source.metric,
        choices=_QUICK_CHOICES if plan.is_quick else None,
    )
    run = _run("benchmarks.quality.baseline_process", task, f"{directory.name}: {name}")
    return Method(name, True, [run], {} if run.skipped else read_per_query(task.output))


def _system(name: str, source: Source, directory: Path, file: Path, plan: Plan) -> Method:
    config = load_config(file)
    prepared, digest = directory / f"prepared-{_digest(config, _OF_DATA)}", _digest(config, _OF_MODEL)
    runs, of_queries = [], []
    for seed in range(1, plan.seeds + 1):
        output = directory / "system" / f"{seed}-{digest}"
        task = SystemTask(config=file, prepared=prepared, output=output, at=source.at, seed=seed)
        runs.append(_run("benchmarks.quality.system_process", task, f"{directory.name}: {name}, seed {seed}"))
        of_queries.append(read_per_query(output))
    means = {metric: np.mean([values[metric] for values in of_queries], axis=0) for metric in of_queries[0]}
    return Method(name, False, runs, means)


def _run(module: str, task: RunTask, what: str) -> Run:
    """Runs a task unless its result is there; `row.json` is written last, so what has one is whole."""
    file = task.output / "row.json"
    if not file.is_file():
        say(what)
        task.output.mkdir(parents=True, exist_ok=True)
        found = run_task(module, task, Run)
        (task.output / "usage.json").write_text(json.dumps(asdict(found.usage)) + "\n", encoding="utf-8")
        part = file.with_suffix(".part")
        part.write_text(found.result.model_dump_json(indent=2, exclude_none=True) + "\n", encoding="utf-8")
        part.rename(file)
    return Run.model_validate_json(file.read_text(encoding="utf-8"))


def _digest(config: PipelineConfig, sections: Sequence[str]) -> str:
    kept = config.model_dump(mode="json", include=set(sections))
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]
