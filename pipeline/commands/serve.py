"""`serve`: answers requests over HTTP, as TensorFlow Serving does."""

import argparse
import logging
import threading
from functools import partial
from typing import TYPE_CHECKING

from dataplane.errors import ConfigError
from dataplane.errors.credentials import RedactingFormatter
from pipeline.commands import options

if TYPE_CHECKING:
    from serving.published.publishing import Publisher

_SHUTDOWN_SECONDS = 30
_READ_SECONDS = 30  # that a client has to read an answer, beyond the time for the answer itself
_BACKLOG = 128  # connections that the kernel accepts before the server looks at them


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "serve",
        help="serve the published models over HTTP",
        description="Serves the newest version of both published models, NAME and NAME-scann, with TensorFlow "
        "Serving's REST API (/v1/models/NAME:predict, /v1/models/NAME, /v1/models/NAME/metadata), /healthz and "
        "/metrics. A new version is warmed up and then takes over; requests under way are answered by the old one. "
        "Needs the extra 'serving'.",
    )
    options.add_published_pipeline(parser)
    parser.add_argument(
        "--models",
        metavar="DIR",
        help="where models are published, a directory or a URI: serves PIPELINE's without records of its runs",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="default: %(default)s, this machine only"
    )
    parser.add_argument("--port", type=int, default=8501, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--poll-seconds", type=float, default=5.0, metavar="S", help="how often to look for versions (%(default)s)"
    )
    parser.add_argument(
        "--max-body-bytes", type=int, default=4_000_000, metavar="N", help="larger requests get 413 (%(default)s)"
    )
    parser.add_argument(
        "--max-rows", type=options.positive, default=1000, metavar="N", help="requests with more get 400 (%(default)s)"
    )
    parser.add_argument(
        "--timeout-seconds", type=float, default=10.0, metavar="S", help="slower requests get 504 (%(default)s)"
    )
    connections = parser.add_argument_group(
        "connections", "What clients may hold, so that idle and slow ones cannot keep others out."
    )
    connections.add_argument(
        "--max-connections",
        type=options.positive,
        default=1000,
        metavar="N",
        help="open at the same time; beyond that the one idle for the longest is closed, and where none is idle, a new "
        "one gets 503 (%(default)s)",
    )
    connections.add_argument(
        "--header-seconds",
        type=float,
        default=10.0,
        metavar="S",
        help="time to send the head of a request; the body has --timeout-seconds (%(default)s)",
    )
    connections.add_argument(
        "--idle-seconds",
        type=float,
        default=75.0,  # longer than the 60 after which load balancers commonly give up a connection first
        metavar="S",
        help="time between two requests on a connection (%(default)s)",
    )
    batching = parser.add_argument_group(
        "batching", "Requests that arrive while the model is busy are answered together."
    )
    batching.add_argument(
        "--batch-wait-ms",
        type=float,
        default=5.0,
        metavar="MS",
        help="how long a request waits for others while the model is busy and a thread is free; 0: each is answered "
        "alone (%(default)s)",
    )
    batching.add_argument(
        "--max-batch-size",
        type=options.positive,
        default=64,
        metavar="N",
        help="rows that requests are joined to (%(default)s)",
    )
    batching.add_argument(
        "--max-enqueued-batches",
        type=options.positive,
        default=32,
        metavar="N",
        help="batches that may wait; further requests get 503 (%(default)s)",
    )
    batching.add_argument(
        "--num-batch-threads",
        type=options.positive,
        default=2,
        metavar="N",
        help="batches that are run at the same time (%(default)s)",
    )
    options.add_root(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Serves until interrupted; exit code 2 if nothing has been published."""
    publisher = _publisher(arguments)
    try:
        import uvicorn

        from serving.server.batching import BatchingOptions
        from serving.server.connections import BoundedConnection, ConnectionLimits, connection_limit
        from serving.server.model_host import ModelHost, watch
        from serving.server.rest import create_app
        from serving.server.server_metrics import ServerMetrics
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error}; the server needs: pip install 'tfrs-pipeline[serving]'") from error

    limits = ConnectionLimits(
        connections=connection_limit(arguments.max_connections),
        head_seconds=arguments.header_seconds,
        body_seconds=arguments.timeout_seconds,
        answer_seconds=arguments.timeout_seconds + _READ_SECONDS,
        idle_seconds=arguments.idle_seconds,
    )
    _log()
    metrics = ServerMetrics()
    batching = BatchingOptions(
        max_batch_size=arguments.max_batch_size,
        max_enqueued_batches=arguments.max_enqueued_batches,
        num_batch_threads=arguments.num_batch_threads,
        wait_ms=arguments.batch_wait_ms,
    )
    hosts = {
        name: ModelHost(publisher.versions_of, name, batching, on_batch=partial(metrics.observe_batch, name))
        for name in reversed(publisher.models)
    }
    app = create_app(
        hosts,
        metrics,
        max_body_bytes=arguments.max_body_bytes,
        max_rows=arguments.max_rows,
        timeout_seconds=arguments.timeout_seconds,
    )
    stop = threading.Event()
    options_of_watch = {"seconds": arguments.poll_seconds, "stop": stop}
    threading.Thread(target=watch, args=(hosts,), kwargs=options_of_watch, daemon=True).start()
    uvicorn.run(
        app,
        host=arguments.host,
        port=arguments.port,
        log_level="warning",
        access_log=False,
        http=partial(BoundedConnection, limits=limits),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        backlog=_BACKLOG,
        timeout_keep_alive=arguments.idle_seconds,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    stop.set()
    return 0


def _log() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter("%(asctime)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _publisher(arguments: argparse.Namespace) -> "Publisher":
    from dataplane.files.storage import check_uri
    from pipeline.execution.published import Published
    from serving.published.publishing import Publisher

    if arguments.models is None:
        return Published.newest(arguments.root, arguments.pipeline).publisher
    if arguments.pipeline is None:
        raise ConfigError("--models needs the name of the pipeline whose models are to be served")
    try:
        check_uri(arguments.models)
    except ValueError as error:
        raise ConfigError(f"--models: {error}") from None
    return Publisher(arguments.models, arguments.pipeline)
