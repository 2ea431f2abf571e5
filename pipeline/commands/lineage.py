"""`lineage`: what an artifact was made from, and what was made from it."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands import options
from pipeline.execution.chosen import chosen_artifact

if TYPE_CHECKING:
    from pipeline.provenance.lineage import Direction


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "lineage",
        help="show what an artifact was made from, and what was made from it",
        description="Follows an artifact up to the sources it was made from, and down to the versions made from it. "
        "ARTIFACT is PIPELINE/STEP[/EXECUTION][/OUTPUT], as listed by `status`; without EXECUTION, the newest.",
        epilog="examples:\n  lineage quickstart/Pusher --up\n  lineage quickstart/ExampleGen/examples --down --json\n"
        "  lineage quickstart/Pusher --openlineage http://marquez:5000\n\n"
        "OPENLINEAGE_API_KEY holds the key of a server that asks for one.",
        formatter_class=options.HelpWithExamples,
    )
    parser.add_argument("artifact", metavar="ARTIFACT", help="PIPELINE/STEP[/EXECUTION][/OUTPUT]")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--up", dest="directions", action="store_const", const=("up",), help="only what it was made from"
    )
    which.add_argument(
        "--down", dest="directions", action="store_const", const=("down",), help="only what was made from it"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print a JSON object")
    form.add_argument(
        "--openlineage",
        metavar="FILE|URL",
        help="write an OpenLineage event for each step to a file, one JSON object a line, or send them to a server",
    )
    options.add_root(parser)
    parser.set_defaults(execute=execute, directions=("up", "down"))


def execute(arguments: argparse.Namespace) -> int:
    """Prints or sends the lineage; exit code 2 if the address names no artifact, 3 if a server refuses an event."""
    from pipeline.provenance.lineage import Lineage
    from pipeline.provenance.lineage_text import Tree, as_json

    store, origin, outputs = chosen_artifact(arguments.root, arguments.artifact)
    lineage, directions = Lineage(store), arguments.directions
    if arguments.openlineage:
        from pipeline.provenance.openlineage import events

        found = events(store, lineage, lineage.connected(origin, outputs, directions))
        _deliver(found, arguments.openlineage)
    elif arguments.json:
        print(json.dumps(as_json(store, lineage, origin, outputs, directions), indent=2, ensure_ascii=False))
    else:
        tree = Tree(store, lineage)
        options.print_text(f"{store.directory.name}/{origin.node}/{origin.id}: {', '.join(outputs)}")
        for direction in directions:
            _print_tree(direction, list(tree.lines(origin, outputs, direction)))
    return 0


def _print_tree(direction: "Direction", lines: list[str]) -> None:
    from pipeline.provenance.lineage_text import branch_lines

    print("made from" if direction == "up" else "read by")
    width = options.terminal_width()
    for line in lines or ["nothing that is recorded"]:
        print("\n".join(branch_lines(f"  {line}", width)))


def _deliver(events: list[dict[str, object]], target: str) -> None:
    from models.spec.durable import write_atomically
    from pipeline.provenance.openlineage import as_lines
    from pipeline.provenance.sending import send

    if target.startswith(("http://", "https://")):
        send(events, target)
    else:
        write_atomically(Path(target), as_lines(events))
    print(f"{len(events)} events")
