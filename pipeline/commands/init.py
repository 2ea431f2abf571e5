"""`init`: a commented configuration for a user's files."""

import argparse
import shlex
from pathlib import Path


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "init",
        help="look at your CSV, Parquet or JSONL files and draft a configuration",
        description="Looks at the given files: which one holds the interactions, which columns are ids, time and "
        "weight, which features the tables have. Writes a commented configuration to read and correct.",
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="a .csv, .tsv, .parquet or .jsonl file, a directory of some, or a quoted glob; local, gs:// or s3://",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="CONFIG", help="write here instead of standard output; names the pipeline"
    )
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Writes the draft."""
    from components.errors import ConfigError
    from components.sources.infer import draft_config

    draft = draft_config(arguments.files, arguments.output.stem if arguments.output else "")
    if arguments.output is None:
        print(draft, end="")
        return 0
    if arguments.output.exists():
        raise ConfigError(f"{arguments.output} exists already; remove it or choose another name")
    try:
        arguments.output.write_text(draft, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{arguments.output} cannot be written: {error.strerror}") from None
    print(f"wrote {arguments.output}; read it, then: python -m pipeline run {shlex.quote(str(arguments.output))}")
    return 0
