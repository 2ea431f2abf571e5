"""`serve --processes`: several processes behind one port."""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from dataplane.errors import PipelineError
from dataplane.errors.for_users import errors_for_users
from pipeline.commands import serve_access
from pipeline.messages import print_error

_NOT_OPTIONS = ("execute", "parser")
Work = Callable[[argparse.Namespace, Callable[[str], object]], None]


def run(arguments: argparse.Namespace, work: Work, *, on_ready: Callable[[str], object]) -> None:
    """Serves in several processes until interrupted.

    Args:
        arguments: the options.
        work: serves in one process, given the options and a function to call once it accepts connections.
        on_ready: called with the server's URL once every process accepts connections.

    Raises:
        ConfigError: the options of access cannot be used.
        RunError: a port is taken, a process ended before it was ready, or processes end again and again.
    """
    from serving.server.listening import SHUTDOWN_SECONDS
    from serving.server.sockets import reserved_ports
    from serving.server.workers import Workers

    serve_access.access_of(arguments)
    given = {name: value for name, value in vars(arguments).items() if name not in _NOT_OPTIONS}
    names = [name for name in ("port", "grpc_port") if given[name] is not None]
    with reserved_ports(arguments.host, [given[name] for name in names]) as ports:
        target = partial(_work, given | dict(zip(names, ports, strict=True)), work)
        # A process waits for its requests, and then for a version that it may be loading.
        Workers(target, arguments.processes, end_seconds=2 * SHUTDOWN_SECONDS + 5).run(on_ready)


def _work(given: dict[str, Any], work: Work, on_ready: Callable[[str], object]) -> None:
    """Serves in one process; the exit code and message of a failure are those of the command line."""
    try:
        with errors_for_users():
            work(argparse.Namespace(**given), on_ready)
    except PipelineError as error:
        print_error(str(error))
        sys.exit(error.exit_code)
