"""`show`: the content and the lineage of an artifact."""

import argparse
import json
from pathlib import Path

from dataplane.errors import ConfigError
from dataplane.text_tables import text_table
from pipeline.commands import options
from pipeline.execution.metadata import Execution, Store, no_such_pipeline, pipelines

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
    store, execution, outputs = _find(arguments.root, arguments.artifact)
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


def _find(root: Path, address: str) -> tuple[Store, Execution, list[str]]:
    name, _, rest = address.partition("/")
    node, _, rest = rest.partition("/")
    if name not in pipelines(root):
        raise ConfigError(f"{address}: {no_such_pipeline(root, name)}")
    store = Store(root, name)
    found = {execution.id: execution for execution in store.executions(node)} if node else {}
    if not found:
        finished = [known for known in store.nodes() if known != node and store.executions(known)]
        raise ConfigError(f"{address}: no finished step '{node}'; there is {', '.join(finished) or 'none'}")
    first, _, second = rest.partition("/")
    execution = found.get(first) or found[max(found)]
    output = second if first in found else first
    if output and output not in execution.outputs:
        raise ConfigError(f"{address}: {node} has no execution or output '{output}'; outputs are {execution.outputs}")
    return store, execution, [output] if output else execution.outputs


def _print_output(directory: Path) -> None:
    print(f"\n{directory}")
    files = sorted(file for file in directory.rglob("*") if file.is_file())
    rows = [[f"{file.stat().st_size:,}", str(file.relative_to(directory))] for file in files]
    print("\n".join(text_table(rows, right=[0], indent=2)))
    for file in files:
        if file.suffix == ".json" and file.parent == directory and file.stat().st_size <= _LONGEST_FILE:
            print(f"\n{file.name}\n{file.read_text(encoding='utf-8').rstrip()}")
