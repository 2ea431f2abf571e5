"""`explain`: why a step was executed or reused."""

import argparse
import json

from pipeline.commands import options
from pipeline.execution.chosen import chosen_run, chosen_store


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "explain",
        help="say why a step was executed or reused in a run",
        description="Compares what decided about a step in a run with its newest earlier execution, and lists what "
        "differs: inputs, sources, parameters, files of code, libraries, Python. Follows changed inputs up to the "
        "steps that made them.",
        epilog="examples:\n  explain Trainer\n  explain quickstart/Trainer 20261129T085112.857127Z-4ccf --json",
        formatter_class=options.HelpWithExamples,
    )
    parser.add_argument(
        "step", metavar="[PIPELINE/]STEP", help="the step; PIPELINE is optional if the root has only one"
    )
    parser.add_argument("run", nargs="?", metavar="RUN", help="id of the run, as `status` lists them (default: newest)")
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    options.add_root(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Prints the explanation; exit code 2 if there is no such run or step."""
    from pipeline.provenance.explanation import explain
    from pipeline.provenance.explanation_text import as_json, as_text

    name, _, node = arguments.step.rpartition("/")
    store = chosen_store(arguments.root, name or None)
    explanation = explain(store, chosen_run(store, arguments.run), node)
    if arguments.json:
        print(json.dumps(as_json(explanation), indent=2, ensure_ascii=False))
    else:
        options.print_text("\n".join(as_text(explanation, options.terminal_width())))
    return 0
