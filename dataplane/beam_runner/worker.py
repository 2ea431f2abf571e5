"""Starts a Beam worker in this Python environment; replaces the entry point of Beam's containers.

Installed as `tfrs-beam-worker`. The `process` environment of a runner and a worker pool call it with the addresses of
Beam's services.
"""

import argparse
import os
import threading
import time
from collections.abc import Sequence

_SECONDS = 1.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a worker until its work is done or its parent process has ended."""
    parser = argparse.ArgumentParser(prog="tfrs-beam-worker", description="Started by Beam runners.")
    parser.add_argument("--id", required=True)
    parser.add_argument("--provision_endpoint", required=True)
    parser.add_argument("--logging_endpoint", default="")
    parser.add_argument("--control_endpoint", default="")
    options, _ = parser.parse_known_args(arguments)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    os.environ.update(_environment(options))

    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main([])


def _environment(options: argparse.Namespace) -> dict[str, str]:
    """The environment variables that `sdk_worker_main` reads."""
    import grpc
    from apache_beam.portability.api import beam_provision_api_pb2, beam_provision_api_pb2_grpc, endpoints_pb2
    from google.protobuf import json_format, text_format

    def descriptor(url: str) -> str:
        return str(text_format.MessageToString(endpoints_pb2.ApiServiceDescriptor(url=url)))

    with grpc.insecure_channel(options.provision_endpoint) as channel:
        service = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
        request = beam_provision_api_pb2.GetProvisionInfoRequest()
        info = service.GetProvisionInfo(request, metadata=[("worker_id", options.id)], timeout=60).info
    return {
        "WORKER_ID": options.id,
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "LOGGING_API_SERVICE_DESCRIPTOR": descriptor(info.logging_endpoint.url or options.logging_endpoint),
        "CONTROL_API_SERVICE_DESCRIPTOR": descriptor(info.control_endpoint.url or options.control_endpoint),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
    }


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()
