"""`init`: drafts a commented configuration for a user's files."""

import argparse
import shlex
import tempfile
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
    from dataplane.errors import ConfigError
    from pipeline.drafting.infer import infer_draft

    output: Path | None = arguments.output
    if output is not None and output.exists():
        raise ConfigError(f"{output} exists already; remove it or choose another name")
    draft = infer_draft(arguments.files, output.stem if output else "")
    _check(draft.text())
    if output is None:
        print(draft.text(), end="")
        return 0
    try:
        output.write_text(draft.text(written_to=output), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error.strerror}") from None
    print(f"wrote {output}; read it, then: python -m pipeline run {shlex.quote(str(output))}")
    return 0


def _check(text: str) -> None:
    """Checks that `validate` accepts the draft."""
    from pipeline.config.config import load_config

    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "draft.yaml"
        file.write_text(text, encoding="utf-8")
        load_config(file)
