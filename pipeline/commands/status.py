"""`status`: the runs under a root."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from dataplane.errors import ConfigError
from dataplane.text_tables import text_table
from pipeline.commands import options
from pipeline.execution.metadata import Run, Step, Store, no_such_pipeline, pipelines
from pipeline.execution.records import to_json

if TYPE_CHECKING:
    from pipeline.reporting.overview import RunOverview

_RESULTS = (3, 4, 5, 6)
"""Columns with metric, verdict, version and span."""


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "status",
        help="list runs, their steps and artifacts",
        description="Lists the runs of every pipeline under the root, newest last, with the metric, the verdict, the "
        "published version and the span of each. For the newest run of each pipeline, lists its steps: whether cached "
        "or run, their duration and their artifacts; then its whole message if it was refused or failed.",
    )
    parser.add_argument("pipeline", nargs="?", metavar="PIPELINE", help="only this pipeline")
    parser.add_argument(
        "--runs", type=options.positive, default=5, metavar="N", help="runs to list per pipeline (default: 5)"
    )
    parser.add_argument("--json", action="store_true", help="print all runs as JSON")
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
        listed = {name: _overviews(store, store.runs()) for name, store in found.items()}
        report = {name: [_as_json(found[name], it) for it in runs] for name, runs in listed.items()}
        print(json.dumps(report, indent=2, ensure_ascii=False))
        return 0
    if not found:
        print(f"nothing has been run in {arguments.root}")
    for name, store in found.items():
        _print_pipeline(name, store, store.runs()[-arguments.runs :])
    return 0


def _overviews(store: Store, runs: list[Run]) -> "list[RunOverview]":
    from pipeline.reporting.overview import overviews

    return list(overviews(store, runs))


def _print_pipeline(name: str, store: Store, runs: list[Run]) -> None:
    print(name)
    width = options.terminal_width()
    found = _without_empty_columns([_row(it) for it in _overviews(store, runs)])
    steps = [_step(store, runs[-1], step) for step in (runs[-1].steps if runs else [])]
    message = runs[-1].message.splitlines() if runs else []
    whole = ["", *(f"  {line}" for line in message)] if len(message) > 1 else []
    for line in text_table(found, right=[2], indent=2, width=width):
        print(line)
    for line in text_table(steps, right=[2], indent=4, width=width):
        print(line)
    for line in whole:
        options.print_text(line)


def _row(found: "RunOverview") -> list[str]:
    run = found.run
    metric = f"{found.metrics[0].name} {found.metrics[0].value:.4f}" if found.metrics else ""
    version = "" if found.version is None else f"version {found.version}"
    reason = run.message.partition("\n")[0]
    span = f"span {run.span}" if run.span else ""
    return [run.id, run.state, _seconds(run), metric, found.verdict, version, span, _cached(run), reason]


def _without_empty_columns(rows: list[list[str]]) -> list[list[str]]:
    """Leaves out the results that no run has."""
    kept = [place for place, column in enumerate(zip(*rows, strict=True)) if place not in _RESULTS or any(column)]
    return [[row[place] for place in kept] for row in rows]


def _cached(run: Run) -> str:
    return f"{sum(step.state == 'cached' for step in run.steps)} of {len(run.steps)} steps cached"


def _step(store: Store, run: Run, step: Step) -> list[str]:
    state = "running" if step is run.step_at_work else step.state
    spent = f"{step.seconds:.1f} s" if step.seconds else ""
    return [step.node, state, spent, ", ".join(_artifacts(store, step.node, step.execution))]


def _as_json(store: Store, found: "RunOverview") -> dict[str, Any]:
    record = to_json(found.run)
    for step in record["steps"]:
        if found.run.step_at_work and step["node"] == found.run.step_at_work.node:
            step["state"] = "running"
        step["artifacts"] = _artifacts(store, step["node"], step["execution"])
    metrics = {it.name: {"value": it.value, "interval": it.bounds} for it in found.metrics}
    return record | {"span": found.run.span, "metrics": metrics, "blessed": found.blessed, "version": found.version}


def _artifacts(store: Store, node: str, execution: str) -> list[str]:
    """Addresses, for `show`, of the outputs of a finished execution."""
    found = store.execution(node, execution) if execution else None
    names = sorted(found.outputs) if found is not None else []
    return [f"{store.directory.name}/{node}/{execution}/{name}" for name in names]


def _seconds(run: Run) -> str:
    seconds = run.seconds
    return f"{seconds:.0f} s" if seconds is not None and seconds >= 0 else ""
