"""`serve`: answers requests over HTTP, as TensorFlow Serving does."""

import argparse
import logging
import threading

from components.errors import ConfigError
from pipeline.commands import options


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
        "--host", default="127.0.0.1", metavar="ADDRESS", help="default: %(default)s, this machine only"
    )
    parser.add_argument("--port", type=int, default=8501, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--poll-seconds", type=float, default=5.0, metavar="S", help="how often to look for versions (%(default)s)"
    )
    parser.add_argument(
        "--max-body-bytes", type=int, default=4_000_000, metavar="N", help="larger requests get 413 (%(default)s)"
    )
    parser.add_argument("--max-batch", type=int, default=1000, metavar="N", help="larger batches get 400 (%(default)s)")
    options.add_root(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Serves until interrupted; exit code 2 if nothing has been published."""
    from pipeline.published import Published

    published = Published.newest(arguments.root, arguments.pipeline)
    try:
        import uvicorn

        from components.serving.model_host import ModelHost, watch
        from components.serving.rest import create_app
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error}; the server needs: pip install 'tfrs-pipeline[serving]'") from error

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    hosts = {model.parent.name: ModelHost(model.parent) for model in (published.scann, published.exact)}
    app = create_app(hosts, max_body_bytes=arguments.max_body_bytes, max_batch=arguments.max_batch)
    stop = threading.Event()
    options_of_watch = {"seconds": arguments.poll_seconds, "stop": stop}
    threading.Thread(target=watch, args=(hosts,), kwargs=options_of_watch, daemon=True).start()
    uvicorn.run(app, host=arguments.host, port=arguments.port, log_level="warning")
    stop.set()
    return 0
