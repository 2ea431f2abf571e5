"""`init`: drafts a commented configuration for a user's files."""

import argparse
import shlex
from pathlib import Path

from pipeline.commands import options


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "init",
        help="look at your CSV, Parquet or JSONL files and draft a configuration",
        description="Finds out which of the given files holds the interactions, which columns are ids, time and "
        "weight, and which features the tables have. Writes a commented configuration for you to read and correct.",
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="a delimited text, Parquet or JSON file, a directory of files, or a quoted glob; local, gs:// or s3://",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=options.local_path,
        metavar="CONFIG",
        help="write to this file instead of standard output; its name becomes the pipeline's name",
    )
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Writes the draft."""
    from pipeline.drafting.checked import checked_draft, write_draft

    output: Path | None = arguments.output
    if output is None:
        print(checked_draft(arguments.files).text(), end="")
        return 0
    write_draft(arguments.files, output)
    print(f"wrote {output}; read it, then: python -m pipeline run {shlex.quote(str(output))}")
    return 0
