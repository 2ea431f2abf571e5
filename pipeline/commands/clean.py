"""`clean`: deletes the artifacts that only old runs used."""

import argparse
import shutil
from contextlib import nullcontext
from typing import TYPE_CHECKING

from dataplane.errors import ConfigError
from dataplane.text_tables import text_table
from pipeline.commands import options
from pipeline.execution.lock import CLEAN
from pipeline.execution.metadata import Execution, Store, no_such_pipeline, pipelines

if TYPE_CHECKING:
    from pipeline.execution.retention import UnneededExecution


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "clean",
        help="delete the artifacts of old runs",
        description="Deletes the executions of a pipeline that were used neither by its newest finished runs, nor by "
        "its newest run, nor by the served model. Keeps published versions and run records.",
    )
    parser.add_argument("pipeline", metavar="PIPELINE", help="name of the pipeline")
    parser.add_argument(
        "--keep-runs", type=options.positive, default=3, metavar="N", help="finished runs to keep (default: 3)"
    )
    parser.add_argument("--dry-run", action="store_true", help="only list what would be deleted")
    options.add_root(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Deletes unneeded executions; exit code 2 if there is no such pipeline, 3 if it is running."""
    from pipeline.execution.retention import remove, retention, unneeded_parts

    if arguments.pipeline not in pipelines(arguments.root):
        raise ConfigError(no_such_pipeline(arguments.root, arguments.pipeline))
    store = Store(arguments.root, arguments.pipeline)
    with nullcontext() if arguments.dry_run else store.lock(CLEAN):
        served, published = _published(store)
        found = retention(store, keep_runs=arguments.keep_runs, served=served, published=published)
        for node, execution in found.unknown:
            store.warn(
                f"{node}/{execution} is needed, but its record cannot be read, so its inputs are unknown and nothing "
                "older is deleted; the next run that executes the step replaces it"
            )
        rows = [[f"{old.node}/{old.id}", _size(old)] for old in found.unneeded]
        for line in text_table(rows, right=[1], indent=2, width=options.terminal_width()):
            print(line)
        parts = unneeded_parts(store, found.unneeded)
        if not arguments.dry_run:
            remove(store, found.unneeded)
            for part in parts:
                shutil.rmtree(part)
            store.remove_leftovers()
    total = sum(old.size or 0 for old in found.unneeded) / 2**20
    done = "would be" if arguments.dry_run else "were"
    spans = f", and {len(parts)} parts that no other uses" if parts else ""
    print(f"{len(found.unneeded)} executions, {total:,.1f} MiB, {done} deleted{spans}")
    return 0


def _size(old: "UnneededExecution") -> str:
    return "unreadable" if old.size is None else f"{old.size / 2**20:,.1f} MiB"


def _published(store: Store) -> tuple[list[Execution], list[Execution]]:
    """The executions that made the served model, and those that published a version that still exists."""
    from pipeline.execution.published import Published

    try:
        published = Published.newest(store.directory.parent, store.directory.name)
    except ConfigError:  # nothing has been published from these records
        return [], []
    there = {found.version for found in published.publisher.versions()}
    pushed = [push for version, push in published.pushes().items() if version in there]
    try:
        return [published.maker()], pushed
    except ConfigError:
        return published.indexers(), pushed
