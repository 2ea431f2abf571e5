"""`compare`: runs beside each other."""

import argparse
import webbrowser
from pathlib import Path

from dataplane.errors import ConfigError, RunError
from models.spec.durable import write_atomically
from pipeline.commands import options
from pipeline.execution.chosen import store_of_run


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "compare",
        help="compare the metrics, answers, data and settings of runs",
        description="Compares runs with the first of them: metrics with intervals of the paired difference, the "
        "overlap of the answers, and the differences in data, settings and libraries. Prints tables and writes a page "
        "that needs no network. The runs may be of several pipelines under the root.",
        epilog="example:\n  compare 20261128T085112.857127Z-4ccf 20261129T085112.857127Z-51aa --open",
        formatter_class=options.HelpWithExamples,
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="ids of two or more runs, as `status` lists them")
    parser.add_argument(
        "-o",
        "--output",
        type=options.local_path,
        metavar="FILE",
        help="file of the page (default: compare.html beside the records of the first run)",
    )
    parser.add_argument("--open", action="store_true", help="show the page in the browser")
    options.add_root(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Prints the comparison; exit code 2 if there is no such run, 3 if the page cannot be written."""
    from pipeline.reporting.comparison.comparison import compare
    from pipeline.reporting.comparison.facts import MOST_RUNS, collect_compared
    from pipeline.reporting.comparison.page import render_comparison
    from pipeline.reporting.comparison.text import comparison_text

    wanted = list(dict.fromkeys(arguments.runs))
    if not 2 <= len(wanted) <= MOST_RUNS:
        raise ConfigError(f"compare takes 2 to {MOST_RUNS} different runs, not {len(wanted)}")
    chosen = [store_of_run(arguments.root, run) for run in wanted]
    comparison = compare(collect_compared(chosen))
    file: Path = arguments.output or chosen[0][0].comparison_file
    try:
        write_atomically(file, render_comparison(comparison, file))
    except OSError as error:
        raise RunError(f"{file} cannot be written: {error.strerror or error}") from None
    options.print_text(f"{comparison_text(comparison, options.terminal_width())}\n\nPage  {file}")
    if arguments.open:
        webbrowser.open(file.resolve().as_uri())
    return 0
