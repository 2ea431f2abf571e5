"""Options that several commands share."""

import argparse
from pathlib import Path

DEFAULT_ROOT = Path("runs")


def positive(text: str) -> int:
    """An argument that is a count."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def add_config(parser: argparse.ArgumentParser) -> None:
    """Adds CONFIG and `--set`."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="the pipeline's YAML file")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="settings",
        help="replace a key of the file, e.g. --set training.batch_size=256 (repeatable)",
    )


def add_published_pipeline(parser: argparse.ArgumentParser) -> None:
    """Adds PIPELINE, which may be left out."""
    parser.add_argument(
        "pipeline", nargs="?", metavar="PIPELINE", help="its name; may be left out if there is one only"
    )


def add_root(parser: argparse.ArgumentParser) -> None:
    """Adds `--root`."""
    parser.add_argument(
        "--root",
        type=Path,
        default=DEFAULT_ROOT,
        metavar="DIR",
        help="where artifacts, run records and published models are kept (default: ./%(default)s)",
    )
