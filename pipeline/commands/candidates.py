"""`candidates`: adds, updates and removes candidates of the published model between two indexes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dataplane.errors import ConfigError, RunError
from pipeline.commands import options

if TYPE_CHECKING:
    from serving.changes.change_log import Change
    from serving.published.publishing import Publisher

_TIMES = 5  # a new version may be published at any moment, and then another


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "candidates",
        help="add, update or remove candidates of the published model at once, without an index",
        description="Changes the candidates of the newest published version: `serve` answers with them from its next "
        "request on, in all its processes on this machine. The changes are on the disk when the command ends, all of "
        "a file or none. The next run or refresh-index looks for them in the new catalogue; what it lacks stays in "
        "force and is told.",
        epilog="examples:\n  candidates add new_films.csv quickstart\n  candidates remove sold_out.csv quickstart",
        formatter_class=options.HelpWithExamples,
    )
    parser.add_argument(
        "kind", choices=("add", "update", "remove"), help="add and update both replace what is known of an id"
    )
    parser.add_argument(
        "file",
        type=options.local_path,
        metavar="FILE",
        help="CSV, JSON Lines or Parquet file with the columns of the candidate table, the id as candidate_id; that is "
        "enough to remove candidates",
    )
    options.add_published_pipeline(parser)
    options.add_root(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Makes the changes; exit code 2 if the file does not fit, 3 if the log is damaged or cannot be written."""
    from pipeline.execution.published import Published
    from serving.changes.change_log import SealedError

    for _ in range(_TIMES):
        published = Published.newest(arguments.root, arguments.pipeline)
        try:
            count = _append(published.publisher, published.version, arguments)
        except SealedError:
            continue
        print(f"{arguments.kind}: {count:,} candidates of version {published.version}")
        return 0
    raise RunError("new versions are published faster than candidates can be changed; try again")


def _append(publisher: "Publisher", version: int, arguments: argparse.Namespace) -> int:
    from serving.changes.carry_over import carry_over
    from serving.changes.change_log import ChangeLog

    directory = publisher.versions_of.changes
    if directory is None:
        raise ConfigError(f"{publisher.directory} is an object store, where candidates cannot be changed")
    model, identity = publisher.fetch(version)[0], publisher.identity(version)
    changes = _changes(model, arguments.kind, arguments.file)
    carried = carry_over(directory, version, identity, lambda: _served(model))
    if carried is not None:
        print(carried)
    ChangeLog(directory, version, identity).append(changes)
    return len(changes)


def _changes(model: Path, kind: str, file: Path) -> "list[Change]":
    from models.spec.features import CANDIDATE_ID
    from serving.changes.candidate_rows import CandidateRows, removed
    from serving.model.descriptions import read_description
    from serving.model.request_rows import read_table

    description = read_description(model)
    rows = CandidateRows(description)
    if kind == "remove":
        changes = list(read_table(file, {CANDIDATE_ID: rows.inputs[CANDIDATE_ID]}, removed, columns={}))
    else:
        columns = {**description.feature_spec().columns("candidate"), **rows.columns}
        changes = list(read_table(file, rows.inputs, rows.added_by_key, columns=columns))
    if not changes:
        raise ConfigError(f"{file} has no row")
    return changes


def _served(model: Path) -> set[str]:
    from models.saved_models.embeddings import exported_ids  # imports TensorFlow

    return exported_ids(model)
