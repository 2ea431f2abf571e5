"""`report`: the page of a run."""

import argparse
import webbrowser

from pipeline.commands import options


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "report",
        help="make the report of a run, one HTML page",
        description="Makes the report of a run anew from its record and its artifacts, and prints the file. `run` and "
        "`refresh-index` make it at their end. The page needs no network and can be passed on as it is.",
        epilog="examples:\n  report\n  report quickstart --open\n  report quickstart 20261129T085112.857127Z-4ccf",
        formatter_class=options.HelpWithExamples,
    )
    options.add_published_pipeline(parser)
    parser.add_argument("run", nargs="?", metavar="RUN", help="id of the run, as `status` lists them (default: newest)")
    parser.add_argument("--open", action="store_true", help="show it in the browser")
    options.add_root(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Makes the report; exit code 2 if there is no such run, 3 if the file cannot be written."""
    from pipeline.execution.chosen import chosen_run, chosen_store
    from pipeline.reporting.writing import remake_report

    store = chosen_store(arguments.root, arguments.pipeline)
    file = remake_report(store, chosen_run(store, arguments.run))
    print(file)
    if arguments.open:
        webbrowser.open(file.resolve().as_uri())
    return 0
