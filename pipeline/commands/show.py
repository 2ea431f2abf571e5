"""`show`: the content and the lineage of an artifact."""

import argparse
import json
from pathlib import Path

from dataplane.text_tables import text_table
from pipeline.commands import options
from pipeline.commands.chosen import chosen_artifact

_LONGEST_FILE = 20_000


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "show",
        help="show an artifact: lineage, files, and its JSON content",
        description="Shows the execution that produced an artifact, its inputs and parameters, lists the artifact's "
        "files and prints its JSON files. ARTIFACT is PIPELINE/STEP[/EXECUTION][/OUTPUT], as listed by `status`; "
        "without EXECUTION, the newest is shown. Example: show quickstart/Evaluator/evaluation",
    )
    parser.add_argument("artifact", metavar="ARTIFACT", help="PIPELINE/STEP[/EXECUTION][/OUTPUT]")
    options.add_root(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Prints the artifact; exit code 2 if the address names none."""
    store, execution, outputs = chosen_artifact(arguments.root, arguments.artifact)
    print(f"{execution.component} {execution.id}, {execution.seconds:.1f} s, run {execution.run}")
    rows = [["fingerprint", execution.fingerprint]]
    rows += [["input", f"{name} = {store.directory.name}/{source}"] for name, source in execution.inputs.items()]
    rows += [["params", json.dumps(execution.params, ensure_ascii=False)]]
    rows += [["facts", json.dumps(execution.facts, ensure_ascii=False)]]
    print("\n".join(text_table(rows)))
    if damage := store.damage(execution):
        store.warn(f"{execution.node}/{execution.id} is damaged: {damage}")
    for output in outputs:
        _print_output(store.output(execution, output))
    return 0


def _print_output(directory: Path) -> None:
    print(f"\n{directory}")
    files = sorted(file for file in directory.rglob("*") if file.is_file())
    rows = [[f"{file.stat().st_size:,}", str(file.relative_to(directory))] for file in files]
    print("\n".join(text_table(rows, right=[0], indent=2)))
    for file in files:
        if file.suffix == ".json" and file.parent == directory and file.stat().st_size <= _LONGEST_FILE:
            print(f"\n{file.name}\n{file.read_text(encoding='utf-8').rstrip()}")
