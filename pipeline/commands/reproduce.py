"""`reproduce`: repeats a run and compares every step with its record."""

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dataplane.errors import ConfigError, PipelineError, RunError
from pipeline.commands import options
from pipeline.execution.chosen import store_of_run

if TYPE_CHECKING:
    from pipeline.execution.metadata import Run, Store
    from pipeline.provenance.rebuilding import Rebuilt
    from pipeline.provenance.reproduction import Comparing


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "reproduce",
        help="repeat a run in another place, and compare every step with its record",
        description="Repeats the finished steps of a run from its recorded sources, parameters and seeds, in a root "
        "of its own, and compares the digests of their files. Says first which sources, files of code and libraries "
        "are no longer those of the run. Stops at the first step that differs. Nothing is published. Exit code 3 if "
        "a step differs.",
        epilog="examples:\n  reproduce 20261129T085112.857127Z-4ccf\n"
        "  reproduce 20261129T085112.857127Z-4ccf --from Trainer --into /tmp/again",
        formatter_class=options.HelpWithExamples,
    )
    parser.add_argument("run", metavar="RUN", help="id of the run, as `status` lists them")
    parser.add_argument(
        "--from",
        dest="start",
        default="",
        metavar="STEP",
        help="repeat STEP and all after it on the recorded artifacts of the steps before it",
    )
    parser.add_argument(
        "--into",
        type=options.local_path,
        metavar="DIR",
        help="root of the repetition, which is kept; the same command continues there (default: a temporary "
        "directory, kept if a step differs)",
    )
    parser.add_argument(
        "--base-dir",
        type=options.local_path,
        metavar="DIR",
        help="where relative paths of sources start, if the sources have moved",
    )
    parser.add_argument("--keep-going", action="store_true", help="go on after a step that differs")
    options.add_display(parser)
    options.add_root(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Repeats the run; exit code 3 if a step differs or fails, or sources are gone; 2 if there is no such run."""
    from pipeline.provenance.rebuilding import Remake, rebuild
    from pipeline.provenance.reproduction import conditions
    from pipeline.provenance.reproduction_text import condition_lines, difference, gone

    store, run = store_of_run(arguments.root, arguments.run)
    rebuilt = rebuild(store, run, Remake(store, run, arguments.base_dir), arguments.start)
    options.interrupted_by_sigterm()
    found = conditions(store, rebuilt)
    for line in condition_lines(run, rebuilt, found):
        options.conclude(arguments, line)
    if found.gone:
        raise RunError(gone(rebuilt, found))
    with _scratch_root(arguments) as root:
        comparing = _repeat(arguments, store, run, rebuilt, root)
        if comparing.first_difference:
            raise RunError(difference(comparing))
        if arguments.into is None:
            shutil.rmtree(root)
    return 0


@contextmanager
def _scratch_root(arguments: argparse.Namespace) -> Iterator[Path]:
    """Yields the root of the repetition; names it if a step fails or differs."""
    if arguments.into is not None and arguments.into.resolve() == arguments.root.resolve():
        raise ConfigError("--into: the repetition needs a root of its own")
    root = arguments.into or Path(tempfile.mkdtemp(prefix="reproduce-"))
    try:
        yield root.resolve()
    except KeyboardInterrupt:
        raise RunError(f"interrupted\nThe repetition is in {root}") from None
    except PipelineError as error:
        raise type(error)(f"{error}\nThe repetition is in {root}") from error


def _repeat(arguments: argparse.Namespace, store: "Store", run: "Run", rebuilt: "Rebuilt", root: Path) -> "Comparing":
    from pipeline.execution.display import Display, shown
    from pipeline.execution.metadata import Store
    from pipeline.execution.run_log import log_to
    from pipeline.provenance.reproduction import reproduce
    from pipeline.provenance.reproduction_text import outcome_lines

    name = store.directory.name
    log_to(root / "reproduce.log", verbose=arguments.amount == "verbose")
    with shown(Display(arguments.amount, arguments.log_format), name, run) as progress:
        scratch = Store(root, name, progress.warned)
        comparing = reproduce(
            store, rebuilt, scratch=scratch, run=run, progress=progress, keep_going=arguments.keep_going
        )
    for line in outcome_lines(rebuilt, comparing):
        options.conclude(arguments, line)
    return comparing
