"""`doctor`: is this environment fit to run a pipeline?"""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dataplane.text_tables import text_table, wrapped
from pipeline.commands import options

if TYPE_CHECKING:
    from pipeline.diagnosis.finding import Finding

_MARKS = {"sound": "✓", "absent": "–", "wrong": "✗"}
_BESIDE = 7
"""Columns of a line for the mark and the gaps between the cells."""
_LEAST_ROOM = 20
_STYLES = {"sound": "green", "absent": "dim", "wrong": "red"}


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "doctor",
        help="check Python, packages, processor, memory, disk, Java, credentials and GPU",
        description="Looks at what a pipeline needs of this machine and says what to do about what is wrong. Loads "
        "TensorFlow and ScaNN in a process of its own. Shows whether credentials are there, never what they are. Exit "
        "code 3 if something must be done.",
    )
    parser.add_argument(
        "config",
        nargs="?",
        type=options.local_path,
        metavar="CONFIG",
        help="a pipeline's YAML file: what its Beam runner needs is checked too",
    )
    options.add_root(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Prints what was found; exit code 3 if something must be done."""
    from pipeline.diagnosis.machine import machine
    from pipeline.diagnosis.packages import loading, packages
    from pipeline.diagnosis.services import services

    findings = [*packages(), *machine(arguments.root), *services(os.environ, Path.home()), *loading()]
    if arguments.config is not None:
        findings.append(_runner(arguments.config))
    _show(findings)
    wrong = [each.name for each in findings if each.fix]
    print(f"\nTo fix: {', '.join(wrong)}" if wrong else "\nNothing to fix")
    return 3 if wrong else 0


def _runner(file: Path) -> "Finding":
    """Whether what the configured Beam runner needs is there."""
    from dataplane.errors import ConfigError
    from pipeline.config.config import load_config
    from pipeline.diagnosis.finding import Finding

    beam = load_config(file).beam
    try:
        beam.check()
    except ConfigError as error:
        return Finding(f"runner {beam.runner}", "cannot be used", str(error))
    return Finding(f"runner {beam.runner}", "has what it needs")


def _show(findings: "list[Finding]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not sys.stdout.isatty():
        rows = [
            [_MARKS[each.state], each.name, f"{each.found} → {each.fix}" if each.fix else each.found]
            for each in findings
        ]
        print("\n".join(text_table(rows)))
        return
    console = Console(highlight=False)
    room = max(_LEAST_ROOM, console.width - max(len(each.name) for each in findings) - _BESIDE)
    table = Table.grid(padding=(0, 2, 0, 0))
    for each in findings:
        told = Text("\n".join(wrapped(each.found, room)))
        if each.fix:
            told.append("\n" + "\n".join(wrapped(f"→ {each.fix}", room)), style="bold")
        table.add_row(Text(_MARKS[each.state], style=_STYLES[each.state]), Text(each.name), told)
    console.print(table)
