"""`clean`: deletes artifacts that no run to be kept stands on."""

import argparse

from components.errors import ConfigError
from pipeline.commands import options
from pipeline.metadata import Execution, Store, no_such_pipeline, pipelines


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "clean",
        help="delete the artifacts of old runs",
        description="Deletes the executions of a pipeline that neither its newest finished runs, nor its newest run, "
        "nor the model that is served was made with. Published versions and the records of runs stay.",
    )
    parser.add_argument("pipeline", metavar="PIPELINE", help="its name")
    parser.add_argument(
        "--keep-runs", type=options.positive, default=3, metavar="N", help="finished runs to keep (default: 3)"
    )
    parser.add_argument("--dry-run", action="store_true", help="only list what would be deleted")
    options.add_root(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Deletes them; exit code 2 if there is no such pipeline, 3 if it is at work."""
    from pipeline.retention import remove, superfluous

    if arguments.pipeline not in pipelines(arguments.root):
        raise ConfigError(no_such_pipeline(arguments.root, arguments.pipeline))
    store = Store(arguments.root, arguments.pipeline)
    with store.lock():
        served, published = _published(store)
        found = superfluous(store, keep_runs=arguments.keep_runs, served=served, published=published)
        for old in found:
            print(f"  {old.execution.node}/{old.execution.id}  {old.size / 2**20:,.1f} MiB")
        if not arguments.dry_run:
            remove(store, [old.execution for old in found])
    total = sum(old.size for old in found) / 2**20
    print(f"{len(found)} executions, {total:,.1f} MiB, {'would be' if arguments.dry_run else 'were'} deleted")
    return 0


def _published(store: Store) -> tuple[list[Execution], list[Execution]]:
    """The execution that published what is served, and those that published a version that is still there."""
    from pipeline.published import Published

    try:
        published = Published.newest(store.directory.parent, store.directory.name)
        there = {found.version for found in published.publisher.versions()}
        return [published.maker()], [push for version, push in published.pushes().items() if version in there]
    except ConfigError:  # nothing has been published, or not from these records
        return [], []
