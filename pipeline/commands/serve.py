"""`serve`: answers requests over HTTP, with TensorFlow Serving's REST API."""

import argparse
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from dataplane.errors import ConfigError
from dataplane.errors.credentials import RedactingFormatter
from pipeline.commands import options, serve_access, serve_processes
from pipeline.messages import TerminalFormatter

if TYPE_CHECKING:
    from serving.published.publishing import Publisher
    from serving.server.access import Access
    from serving.server.connections import ConnectionLimits
    from serving.server.grpc_server import GrpcOptions
    from serving.server.model_host import ModelHost
    from serving.server.server_metrics import ServerMetrics
    from serving.server.try_page import Lookup

_READ_SECONDS = 30  # time for a client to read an answer, beyond the time to compute it
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Option:
    """One option of the command, a row of the tables below."""

    flag: str
    kind: Callable[[str], Any]
    default: Any
    metavar: str
    help: str

    def add_to(self, group: "argparse._ActionsContainer") -> None:
        """Adds it; the help text names the default, if there is one."""
        shown = "off" if self.default is None else "%(default)s"
        group.add_argument(
            self.flag, type=self.kind, default=self.default, metavar=self.metavar, help=f"{self.help} ({shown})"
        )


_OPTIONS = (
    _Option("--host", str, "127.0.0.1", "ADDRESS", "where to listen; by default this machine only"),
    _Option("--port", options.port, 8501, "N", "port; 0 stands for any free one"),
    _Option("--grpc-port", options.port, None, "N", "port of TensorFlow Serving's gRPC services as well"),
    _Option(
        "--processes",
        options.positive,
        1,
        "N",
        "server processes behind the ports; each takes the memory of the models",
    ),
    _Option("--poll-seconds", options.seconds, 5.0, "S", "how often to look for versions"),
    _Option("--max-body-bytes", options.positive, 4_000_000, "N", "larger requests get 413"),
    _Option("--max-rows", options.positive, 1000, "N", "requests with more get 400"),
    _Option("--timeout-seconds", options.seconds, 10.0, "S", "slower requests get 504"),
)
_CONNECTIONS = (
    _Option(
        "--max-connections",
        options.positive,
        1000,
        "N",
        "the most open connections; beyond that the longest idle one is closed, or if none is idle, the new one gets "
        "503",
    ),
    _Option(
        "--header-seconds",
        options.seconds,
        10.0,
        "S",
        "time to send the head of a request; the body has --timeout-seconds",
    ),
    # Load balancers commonly close idle connections after 60 seconds, and should do so first.
    _Option("--idle-seconds", options.seconds, 75.0, "S", "time between two requests on a connection"),
)
_BATCHING = (
    _Option(
        "--batch-wait-ms",
        options.delay,
        5.0,
        "MS",
        "how long a request waits for others while the model is busy and a thread is free; 0 answers each request "
        "alone",
    ),
    _Option("--max-batch-size", options.positive, 64, "N", "the most rows of a batch that several requests share"),
    _Option(
        "--max-enqueued-batches", options.positive, 32, "N", "the most batches that wait; further requests get 503"
    ),
    _Option("--num-batch-threads", options.positive, 2, "N", "the number of batches that run at the same time"),
)
_GROUPS = (
    ("connections", "Limits on clients, so that idle and slow ones cannot keep others out.", _CONNECTIONS),
    ("batching", "Requests that arrive while the model is busy share batches.", _BATCHING),
)


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "serve",
        help="serve the published models over HTTP",
        description="Serves the newest version of both published models, NAME and NAME-scann, with TensorFlow "
        "Serving's REST API (/v1/models/NAME:predict, /v1/models/NAME, /v1/models/NAME/metadata), /openapi.json, "
        "/healthz, /metrics and a page to try the models, /. A new version is warmed up and then takes over; the old "
        "version answers requests under way. SIGTERM ends the server once those requests are answered. "
        "Needs the extra 'serving'.",
    )
    options.add_published_pipeline(parser)
    parser.add_argument(
        "--models",
        metavar="DIR",
        help="directory or URI of published models; serves PIPELINE's without the records of its runs",
    )
    for option in _OPTIONS:
        option.add_to(parser)
    serve_access.add_options(parser)
    for title, description, rows in _GROUPS:
        group = parser.add_argument_group(title, description)
        for option in rows:
            option.add_to(group)
    options.add_root(parser)
    parser.set_defaults(execute=execute)


def defaults() -> dict[str, Any]:
    """The default of each option of the tables, by the name of its attribute."""
    rows = [*_OPTIONS, *_CONNECTIONS, *_BATCHING]
    return serve_access.DEFAULTS | {option.flag.removeprefix("--").replace("-", "_"): option.default for option in rows}


def execute(arguments: argparse.Namespace, on_ready: Callable[[str], object] = lambda address: None) -> int:
    """Serves until interrupted; exit code 2 if nothing is published.

    Args:
        arguments: the options.
        on_ready: called with the server's URL once the server accepts connections.
    """
    options.interrupted_by_sigterm()
    publisher = _publisher(arguments)
    _log("%(asctime)s %(message)s")
    has_token = arguments.token_env is not None or arguments.changes_token_env is not None
    if has_token and arguments.tls_cert is None and arguments.host not in _LOOPBACK:
        _LOG.warning("a token without --tls-cert: who can read the network can read the token")

    def ready(address: str) -> None:
        _LOG.info("ready: %s/ is the page to try the models (end with Ctrl-C)", address)
        on_ready(address)

    if arguments.processes > 1:
        with _named_extra():
            serve_processes.run(arguments, _work, on_ready=ready)
    else:
        _serve(arguments, publisher, on_ready=ready, is_shared=False)
    return 0


def _work(arguments: argparse.Namespace, on_ready: Callable[[str], object]) -> None:
    """Serves in one of several processes."""
    options.interrupted_by_sigterm()
    _log("%(asctime)s [%(process)d] %(message)s")
    _serve(arguments, _publisher(arguments), on_ready=on_ready, is_shared=True)


@contextmanager
def _named_extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error}; the server needs: pip install 'tfrs-pipeline[serving]'") from error


def _serve(
    arguments: argparse.Namespace, publisher: "Publisher", *, on_ready: Callable[[str], object], is_shared: bool
) -> None:
    with _named_extra():
        access = serve_access.access_of(arguments)
    _LOG.info("starting: loading TensorFlow")
    with _named_extra():
        from serving.server.grpc_server import GrpcServer
        from serving.server.host_states import tell_states
        from serving.server.listening import SHUTDOWN_SECONDS, Place, listen
        from serving.server.model_host import watch
        from serving.server.rest import create_app
        from serving.server.server_metrics import ServerMetrics

    limits = _limits(arguments)  # first, because models take long to load
    metrics = ServerMetrics()
    hosts = _hosts(arguments, publisher, metrics)
    app = create_app(
        hosts,
        metrics,
        max_body_bytes=arguments.max_body_bytes,
        max_rows=arguments.max_rows,
        timeout_seconds=arguments.timeout_seconds,
        lookup=_lookup(arguments, publisher),
        changes=access.changes,
    )
    stop = threading.Event()
    tell = partial(tell_states, hosts, metrics)
    look = partial(watch, hosts, seconds=arguments.poll_seconds, stop=stop, on_look=tell)
    watching = threading.Thread(target=look, daemon=True)
    watching.start()

    others = []
    if arguments.grpc_port is not None:
        others.append(GrpcServer(hosts, metrics, _grpc_options(arguments, access, is_shared=is_shared)))
    place = Place(arguments.host, arguments.port, access.tls, is_shared)
    listen(access.guarded(app), place, limits=limits, on_ready=on_ready, others=others)
    stop.set()
    watching.join(SHUTDOWN_SECONDS)  # the interpreter must not end while TensorFlow loads a version


def _lookup(arguments: argparse.Namespace, publisher: "Publisher") -> "Lookup | None":
    """Finds titles, and stored queries for clients on this machine; None without the records of runs."""
    from pipeline.reporting.published_titles import PublishedLookup

    if arguments.models is not None:
        return None
    return PublishedLookup(arguments.root, publisher.name, shows_queries=arguments.host in _LOOPBACK)


def _limits(arguments: argparse.Namespace) -> "ConnectionLimits":
    from serving.server.connections import ConnectionLimits, connection_limit

    return ConnectionLimits(
        connections=connection_limit(arguments.max_connections),
        head_seconds=arguments.header_seconds,
        body_seconds=arguments.timeout_seconds,
        answer_seconds=arguments.timeout_seconds + _READ_SECONDS,
        idle_seconds=arguments.idle_seconds,
    )


def _hosts(arguments: argparse.Namespace, publisher: "Publisher", metrics: "ServerMetrics") -> "dict[str, ModelHost]":
    """A host for each of the two models, by name."""
    from serving.server.batching import BatchingOptions
    from serving.server.model_host import ModelHost

    batching = BatchingOptions(
        max_batch_size=arguments.max_batch_size,
        max_enqueued_batches=arguments.max_enqueued_batches,
        num_batch_threads=arguments.num_batch_threads,
        wait_ms=arguments.batch_wait_ms,
    )
    return {
        name: ModelHost(publisher.versions_of, name, batching, on_batch=partial(metrics.observe_batch, name))
        for name in reversed(publisher.models)
    }


def _grpc_options(arguments: argparse.Namespace, access: "Access", *, is_shared: bool) -> "GrpcOptions":
    from serving.server.grpc_server import GrpcOptions

    return GrpcOptions(
        host=arguments.host,
        port=arguments.grpc_port,
        max_message_bytes=arguments.max_body_bytes,
        max_rows=arguments.max_rows,
        max_requests=arguments.max_connections,
        timeout_seconds=arguments.timeout_seconds,
        idle_seconds=arguments.idle_seconds,
        access=access,
        is_shared=is_shared,
    )


def _log(form: str) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter((TerminalFormatter if sys.stderr.isatty() else RedactingFormatter)(form))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _publisher(arguments: argparse.Namespace) -> "Publisher":
    from dataplane.files.storage import check_uri
    from pipeline.execution.published import Published
    from serving.published.publishing import Publisher

    if arguments.models is None:
        return Published.newest(arguments.root, arguments.pipeline).publisher
    if arguments.pipeline is None:
        raise ConfigError("--models needs PIPELINE, the name of the pipeline whose models to serve")
    try:
        check_uri(arguments.models)
    except ValueError as error:
        raise ConfigError(f"--models: {error}") from None
    return Publisher(arguments.models, arguments.pipeline)
