"""`report`: the page of a run."""

import argparse
import webbrowser
from typing import TYPE_CHECKING

from dataplane.errors import ConfigError, RunError
from dataplane.errors.messages import listed
from pipeline.commands import options

if TYPE_CHECKING:
    from pipeline.execution.metadata import Run, Store


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "report",
        help="make the report of a run, one HTML page",
        description="Makes the report of a run anew from its record and its artifacts, and prints the file. `run` and "
        "`refresh-index` make it at their end. The page needs no network and can be passed on as it is.",
        epilog="examples:\n  report\n  report quickstart --open\n  report quickstart 20261129T085112.857127Z-4ccf",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_published_pipeline(parser)
    parser.add_argument("run", nargs="?", metavar="RUN", help="id of the run, as `status` lists them (default: newest)")
    parser.add_argument("--open", action="store_true", help="show it in the browser")
    options.add_root(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Makes the report; exit code 2 if there is no such run, 3 if the file cannot be written."""
    from pipeline.reporting.writing import write_report

    store = _store(arguments)
    run = _run(store, arguments.run)
    try:
        file = write_report(store, run)
    except OSError as error:
        raise RunError(f"{store.report_file(run)} cannot be written: {error.strerror or error}") from None
    print(file)
    if arguments.open:
        webbrowser.open(file.resolve().as_uri())
    return 0


def _store(arguments: argparse.Namespace) -> "Store":
    from pipeline.execution.metadata import Store, no_such_pipeline, pipelines

    names = pipelines(arguments.root)
    if arguments.pipeline is None and len(names) != 1:
        raise ConfigError(f"which pipeline? In {arguments.root} there is {', '.join(names) or 'none'}")
    name = arguments.pipeline or names[0]
    if name not in names:
        raise ConfigError(no_such_pipeline(arguments.root, name))
    return Store(arguments.root, name)


def _run(store: "Store", wanted: str | None) -> "Run":
    runs = {run.id: run for run in store.runs()}
    if not runs:
        raise ConfigError(f"pipeline '{store.directory.name}' has no run that can be read")
    if wanted is None:
        return runs[max(runs)]
    if wanted not in runs:
        raise ConfigError(f"no run '{wanted}'; there is {listed(sorted(runs, reverse=True))}")
    return runs[wanted]
