"""`status`: what has been run under a root."""

import argparse
import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from components.errors import ConfigError
from pipeline.commands import options
from pipeline.metadata import Run, Store, no_such_pipeline, pipelines


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "status",
        help="list runs, their steps and artifacts",
        description="Lists the runs of every pipeline under the root, newest last, and for the newest run of each "
        "its steps: cached or run, how long, and which artifacts they stand for.",
    )
    parser.add_argument("pipeline", nargs="?", metavar="PIPELINE", help="only this pipeline")
    parser.add_argument(
        "--runs", type=options.positive, default=5, metavar="N", help="how many runs a pipeline (default: 5)"
    )
    parser.add_argument("--json", action="store_true", help="all of it as JSON")
    options.add_root(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Prints the runs; exit code 2 if there is no such pipeline."""
    names = pipelines(arguments.root)
    if arguments.pipeline and arguments.pipeline not in names:
        raise ConfigError(no_such_pipeline(arguments.root, arguments.pipeline))
    chosen = [arguments.pipeline] if arguments.pipeline else names
    found = {name: Store(arguments.root, name) for name in chosen}
    if arguments.json:
        report = {name: [_as_json(store, run) for run in store.runs()] for name, store in found.items()}
        print(json.dumps(report, indent=2, ensure_ascii=False))
        return 0
    if not found:
        print(f"nothing has been run in {arguments.root}")
    for name, store in found.items():
        _print_pipeline(name, store, store.runs()[-arguments.runs :])
    return 0


def _print_pipeline(name: str, store: Store, runs: list[Run]) -> None:
    print(name)
    for run in runs:
        cached = sum(step.state == "cached" for step in run.steps)
        counts = f"{cached} of {len(run.steps)} steps cached"
        print(f"  {run.id}  {run.state:<11} {_seconds(run):>7}  {counts}  {run.message}".rstrip())
    for step in runs[-1].steps if runs else []:
        spent = f"{step.seconds:.1f} s" if step.seconds else ""
        artifacts = ", ".join(_artifacts(store, step.node, step.execution))
        print(f"    {step.node:<21} {step.state:<11} {spent:>8}  {artifacts}")


def _as_json(store: Store, run: Run) -> dict[str, Any]:
    record = asdict(run)
    for step in record["steps"]:
        step["artifacts"] = _artifacts(store, step["node"], step["execution"])
    return record


def _artifacts(store: Store, node: str, execution: str) -> list[str]:
    """Addresses, as `show` takes them, of what a finished execution produced."""
    directory: Path = store.execution_directory(node, execution)
    if not execution or not (directory / "manifest.json").exists():
        return []
    names = sorted(path.name for path in directory.iterdir() if path.is_dir())
    return [f"{store.directory.name}/{node}/{execution}/{name}" for name in names]


def _seconds(run: Run) -> str:
    if not run.finished:
        return ""
    return f"{(datetime.fromisoformat(run.finished) - datetime.fromisoformat(run.started)).total_seconds():.0f} s"
