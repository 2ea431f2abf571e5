"""TensorFlow Serving's REST API over models in this process."""

import asyncio
import time
from collections.abc import Mapping

import tensorflow as tf
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException as StarletteHTTPException

from components.errors import ConfigError
from components.serving.batching import QueueFullError
from components.serving.model_host import LoadedModel, ModelHost
from components.serving.predict_json import parse_request
from components.serving.server_metrics import ServerMetrics

_PARSED_AT_ONCE = 16_384  # bytes; longer requests are parsed in a thread, so that short ones need not wait for them


def create_app(
    hosts: Mapping[str, ModelHost],
    metrics: ServerMetrics,
    *,
    max_body_bytes: int,
    max_rows: int,
    timeout_seconds: float,
) -> FastAPI:
    """The application.

    Args:
        hosts: models by name.
        metrics: what is counted.
        max_body_bytes: larger requests are answered with 413.
        max_rows: requests with more rows are answered with 400.
        timeout_seconds: a predict request that takes longer is answered with 504.
    """
    api = _Api(hosts, metrics, max_body_bytes, max_rows, timeout_seconds)
    app = FastAPI(title="two-tower retrieval", docs_url=None, redoc_url=None, openapi_url=None)
    model, version = "/v1/models/{name}", "/v1/models/{name}/versions/{version}"
    # Plain routes: what FastAPI does for typed parameters costs more than all else beside the model.
    app.add_route(f"{model}:predict", api.predict, methods=["POST"])
    app.add_route(f"{version}:predict", api.predict, methods=["POST"])
    app.add_route(f"{model}/labels/{{label}}:predict", api.label, methods=["POST"])
    for path in (model, version):
        app.add_route(path, api.status)
        app.add_route(f"{path}/metadata", api.metadata)
    app.add_route("/healthz", api.healthz)
    app.add_route("/metrics", api.metrics)
    app.add_exception_handler(StarletteHTTPException, _explain)
    app.add_exception_handler(Exception, _apologise)
    return app


class _Api:
    def __init__(
        self,
        hosts: Mapping[str, ModelHost],
        metrics: ServerMetrics,
        max_body_bytes: int,
        max_rows: int,
        timeout_seconds: float,
    ) -> None:
        self._hosts, self._metrics = hosts, metrics
        self._max_body_bytes, self._max_rows, self._timeout = max_body_bytes, max_rows, timeout_seconds

    async def predict(self, request: Request) -> Response:
        model = self._find(request)
        began, code = time.perf_counter(), 500
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._answer(model, request)
            code = 200
        except TimeoutError:
            code = 504
            raise HTTPException(code, f"no answer within {self._timeout:g} s") from None
        except QueueFullError as error:
            code = 503
            raise HTTPException(code, str(error), {"Retry-After": "1"}) from None
        except (ConfigError, tf.errors.InvalidArgumentError) as error:
            code = 400
            raise HTTPException(code, str(error)) from None
        except HTTPException as error:
            code = error.status_code
            raise
        finally:
            self._metrics.observe(request.path_params["name"], code, time.perf_counter() - began)
        return Response(answer, media_type="application/json")

    async def label(self, request: Request) -> Response:
        raise HTTPException(404, f"no label '{request.path_params['label']}': versions have no labels here")

    async def status(self, request: Request) -> Response:
        self._find(request, any_version=True)
        host, version = self._hosts[request.path_params["name"]], request.path_params.get("version")
        states = [
            {
                "version": str(found.version),
                "state": found.state,
                "status": {"error_code": "UNKNOWN" if found.error else "OK", "error_message": found.error},
            }
            for found in host.states
            if version in (None, str(found.version))
        ]
        if not states:
            raise HTTPException(404, f"version {version} of '{request.path_params['name']}' is not served")
        return JSONResponse({"model_version_status": states})

    async def metadata(self, request: Request) -> Response:
        model = self._find(request)
        spec = {"name": request.path_params["name"], "signature_name": "", "version": str(model.version)}
        signatures = {"signature_def": {"signature_def": model.definitions}}
        return JSONResponse({"model_spec": spec, "metadata": signatures})

    async def healthz(self, _: Request) -> Response:
        return JSONResponse(
            {"status": "ok", "versions": {name: host.current.version for name, host in self._hosts.items()}}
        )

    async def metrics(self, _: Request) -> Response:
        for name, host in self._hosts.items():
            self._metrics.tell(name, version=host.current.version, queued_rows=host.current.batcher.queued_rows)
        return Response(generate_latest(self._metrics.registry), media_type=CONTENT_TYPE_LATEST)

    def _find(self, request: Request, *, any_version: bool = False) -> LoadedModel:
        name, version = request.path_params["name"], request.path_params.get("version")
        if name not in self._hosts:
            raise HTTPException(404, f"no model '{name}'; there is {', '.join(self._hosts)}")
        model = self._hosts[name].current
        if version not in (None, str(model.version)) and not any_version:
            raise HTTPException(404, f"version {version} of '{name}' is not served, version {model.version} is")
        return model

    async def _answer(self, model: LoadedModel, request: Request) -> bytes:
        body = await _read(request, self._max_body_bytes)
        if len(body) <= _PARSED_AT_ONCE:
            asked = parse_request(body, model.signatures, max_rows=self._max_rows)
        else:
            asked = await run_in_threadpool(parse_request, body, model.signatures, max_rows=self._max_rows)
        return await model.answer(asked)


async def _explain(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _apologise(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": "the server failed to answer; its log tells more"}, 500)


async def _read(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise HTTPException(413, f"the request is larger than {limit} bytes")
    return bytes(body)
