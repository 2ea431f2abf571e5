"""`explore`: opens the page of `serve` over the published models, for this machine only."""

import argparse
import threading
import webbrowser

from pipeline.commands import options, serve

_HOST, _PORT = "127.0.0.1", 8502


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "explore",
        help="look at the published models in the browser",
        description="Serves the newest version of both published models to this machine alone, with a page to try "
        "them: pick a stored query or type features and a history, and see the answers of both models with titles. "
        "Ctrl-C ends it. Needs the extra 'serving'.",
    )
    options.add_published_pipeline(parser)
    parser.add_argument(
        "--port", type=options.port, default=_PORT, metavar="N", help="port; 0 stands for any free one (%(default)s)"
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    options.add_root(parser)
    parser.set_defaults(execute=execute, models=None, **{**serve.defaults(), "host": _HOST, "port": _PORT})


def execute(arguments: argparse.Namespace) -> int:
    """Serves until interrupted; exit code 2 if nothing is published."""
    return serve.execute(arguments, on_ready=_open if arguments.open else lambda address: None)


def _open(address: str) -> None:
    """Opens the page without waiting, because a browser in the terminal would hold the server up."""
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
