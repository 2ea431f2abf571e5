"""`show`: the content and the lineage of an artifact."""

import argparse
import json
from pathlib import Path
from typing import Any

from dataplane.errors.messages import shown
from dataplane.json_tables import json_tables
from dataplane.text_tables import shortened_middle, text_table
from pipeline.commands import options
from pipeline.execution.chosen import chosen_artifact
from pipeline.execution.metadata import Execution, Store
from pipeline.execution.records import to_json

_LONGEST_TEXT = 20_000
"""Characters of a JSON file that is damaged and printed as it is."""


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "show",
        help="show an artifact: lineage, files, and its JSON content",
        description="Shows the execution that produced an artifact, its inputs and parameters, lists the artifact's "
        "files and prints its JSON files as tables. Numbers are rounded and long tables are shortened; --json prints "
        "everything. ARTIFACT is PIPELINE/STEP[/EXECUTION][/OUTPUT], as listed by `status`; without EXECUTION, the "
        "newest is shown. Example: show quickstart/Evaluator/evaluation",
    )
    parser.add_argument("artifact", metavar="ARTIFACT", help="PIPELINE/STEP[/EXECUTION][/OUTPUT]")
    parser.add_argument("--json", action="store_true", help="print the record and all JSON files in full, as JSON")
    options.add_root(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Prints the artifact; exit code 2 if the address names none."""
    store, execution, outputs = chosen_artifact(arguments.root, arguments.artifact)
    if damage := store.damage(execution):
        store.warn(f"{execution.node}/{execution.id} is damaged: {damage}")
    directories = {output: store.output(execution, output) for output in outputs}
    if arguments.json:
        printed = {name: _as_json(directory) for name, directory in directories.items()}
        print(json.dumps({"execution": to_json(execution), "outputs": printed}, indent=2, ensure_ascii=False))
        return 0
    _print_execution(store, execution)
    for directory in directories.values():
        _print_output(directory)
    return 0


def _print_execution(store: Store, execution: Execution) -> None:
    width = options.terminal_width()
    options.print_text(
        f"{execution.component} {execution.id}, {execution.seconds:.1f} s{_used(execution)}, run {execution.run}"
    )
    rows = [["fingerprint", execution.fingerprint]]
    rows += [["input", f"{name} = {store.directory.name}/{source}"] for name, source in execution.inputs.items()]
    parts = {"params": execution.params, "facts": execution.facts}
    told = {name: part for name, part in parts.items() if part}
    print("\n".join([*text_table(rows, width=width), *(["", *json_tables(told, width)] if told else [])]))


def _used(execution: Execution) -> str:
    used, written = execution.resources, sum(execution.files.values()) / 2**20
    if not used:  # an older release made it
        return ""
    peak = used["peak_memory_bytes"] / 2**20
    return f" ({used['cpu_seconds']:.1f} CPU-seconds, at most {peak:,.0f} MiB of memory, {written:,.1f} MiB written)"


def _print_output(directory: Path) -> None:
    width = options.terminal_width()
    print(f"\n{directory if width is None else shortened_middle(str(directory), width)}")
    files = _files(directory)
    rows = [[f"{file.stat().st_size:,}", str(file.relative_to(directory))] for file in files]
    print("\n".join(text_table(rows, right=[0], indent=2, width=width)))
    for name, content in _documents(directory).items():
        lines = _raw(content) if isinstance(content, str) else json_tables(content, width and width - 2)
        print("\n".join(["", name, *(f"  {line}".rstrip() for line in lines)]))


def _raw(text: str) -> list[str]:
    return [shown(line, _LONGEST_TEXT) for line in text[:_LONGEST_TEXT].splitlines()]


def _as_json(directory: Path) -> dict[str, Any]:
    files = {str(file.relative_to(directory)): file.stat().st_size for file in _files(directory)}
    return {"directory": str(directory), "files": files, "documents": _documents(directory)}


def _files(directory: Path) -> list[Path]:
    return sorted(file for file in directory.rglob("*") if file.is_file())


def _documents(directory: Path) -> dict[str, Any]:
    """Content of the JSON files of an output, by name; the text of a damaged one."""
    return {file.name: _content(file) for file in sorted(directory.glob("*.json")) if file.is_file()}


def _content(file: Path) -> Any:
    text = file.read_bytes().decode(errors="replace")
    try:
        return json.loads(text)
    except ValueError:
        return text
