"""TensorFlow Serving's REST API for models in this process."""

import asyncio
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson
import tensorflow as tf
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from dataplane.errors import ConfigError
from dataplane.errors.messages import quoted, shown
from serving.server.access import Token
from serving.server.batching import QueueFullError
from serving.server.candidate_changes import CandidateChanges
from serving.server.compression import TooLargeError, accepts_gzip, content_encoding, gunzip, gzip
from serving.server.deadlines import seconds_allowed
from serving.server.host_states import labels_of, left_aside, tell_states
from serving.server.loaded_model import LoadedModel, without_paths
from serving.server.model_host import ModelHost
from serving.server.openapi import openapi_document
from serving.server.predict_json import Interface, PredictRequest, parse_request
from serving.server.served_models import NotServedError, host_of, served_model
from serving.server.server_metrics import ServerMetrics
from serving.server.try_page import Lookup, TryPage

_PREDICT = re.compile("/v1/models/(?P<name>[^/]+?)(?:/versions/(?P<version>[^/]+)|/labels/(?P<label>[^/]+))?:predict")
_APOLOGY = "the server failed to answer; its log says why"
_PARSED_AT_ONCE = 16_384  # bytes; longer requests are parsed in a thread, so that short requests need not wait
_COMPRESSED_FROM = 1_000  # bytes; shorter answers are not compressed

Headers = Iterable[tuple[bytes, bytes]]


def create_app(
    hosts: Mapping[str, ModelHost],
    metrics: ServerMetrics,
    *,
    max_body_bytes: int,
    max_rows: int,
    timeout_seconds: float,
    lookup: Lookup | None = None,
    changes: Token | None = None,
) -> ASGIApp:
    """Makes the application.

    Args:
        hosts: models by name.
        metrics: counts predict requests.
        max_body_bytes: larger requests get 413.
        max_rows: requests with more rows get 400.
        timeout_seconds: predict requests that take longer get 504.
        lookup: finds titles and stored queries for the page `/`; None without a pipeline's records.
        changes: token of clients that may change candidates; None allows no changes.
    """
    api = _Api(hosts, metrics, max_body_bytes, max_rows, timeout_seconds)
    model = "/v1/models/{name}"
    served = (model, f"{model}/versions/{{version}}", f"{model}/labels/{{label}}")
    changing = []
    if changes is not None:
        handler = CandidateChanges(hosts, token=changes, max_body_bytes=max_body_bytes, max_rows=max_rows)
        changing = handler.routes()
    app = Starlette(
        routes=[
            *(Route(path, api.status) for path in served),
            *(Route(f"{path}/metadata", api.metadata) for path in served),
            Route("/healthz", api.healthz),
            Route("/metrics", api.metrics),
            Route("/openapi.json", api.openapi),
            *changing,
            *TryPage(hosts, lookup).routes(),
        ],
        middleware=[Middleware(GZipMiddleware, minimum_size=_COMPRESSED_FROM)],
        exception_handlers={HTTPException: _explain, NotServedError: _not_found, Exception: _apologise},
    )

    async def predict_or_other(scope: Scope, receive: Receive, send: Send) -> None:
        asked = _PREDICT.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if asked is None:
            await app(scope, receive, send)
        else:
            # Starlette's layers cost a request as much as all else beside the model.
            await api.predict(_Asked(**asked.groupdict()), scope, receive, send)

    return predict_or_other


@dataclass(frozen=True)
class _Asked:
    """The model that a request names: by a version's number, by a version's label, or the newest version."""

    name: str
    version: str | None = None
    label: str | None = None


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
        # Parsing holds the interpreter lock. With one long request at a time, short ones get their turn.
        self._long_parse = asyncio.Semaphore(1)

    async def predict(self, asked: _Asked, scope: Scope, receive: Receive, send: Send) -> None:
        began, code, seconds = time.perf_counter(), 500, self._timeout
        body, headers = _error(_APOLOGY), dict[str, str]()
        try:
            if scope["method"] != "POST":
                raise HTTPException(405, "predict requests are sent with POST", {"Allow": "POST"})
            seconds = seconds_allowed(scope["headers"], self._timeout)
            async with asyncio.timeout(seconds):
                body = await self._answer(self._find(asked), scope["headers"], receive)
            code = 200
        except TimeoutError:
            code, body = 504, _error(f"no answer within {seconds:g} s")
        except NotServedError as error:
            code, body = 404, _error(str(error))
        except QueueFullError as error:
            code, body, headers = 503, _error(str(error)), {"Retry-After": "1"}
        except ConfigError as error:
            code, body = 400, _error(str(error))
        except tf.errors.InvalidArgumentError as error:
            code, body = 400, _error(without_paths(error))
        except HTTPException as error:
            code, body, headers = error.status_code, _error(error.detail), dict(error.headers or {})
        finally:  # also if the error goes to the log
            if (host := self._hosts.get(asked.name)) is not None:
                label = asked.label if asked.label in host.labelled else None
                self._metrics.observe(asked.name, code, time.perf_counter() - began, label=label)
            if len(body) >= _COMPRESSED_FROM and accepts_gzip(scope["headers"]):
                body, headers = gzip(body), {**headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
            await _send(send, code, body, headers)

    async def status(self, request: Request) -> Response:
        asked = _Asked(**request.path_params)
        host, version = host_of(self._hosts, asked.name), asked.version
        if asked.label is not None:
            version = str(self._find(asked).version)
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
            raise NotServedError(f"version {shown(str(version))} of '{asked.name}' is not served")
        return JSONResponse({"model_version_status": states})

    async def metadata(self, request: Request) -> Response:
        asked = _Asked(**request.path_params)
        model = self._find(asked)
        spec = {"name": asked.name, "signature_name": "", "version": str(model.version)}
        signatures = {"signature_def": {"signature_def": model.definitions}}
        return JSONResponse({"model_spec": spec, "metadata": signatures})

    async def healthz(self, _: Request) -> Response:
        versions = {name: host.current.version for name, host in self._hosts.items()}
        labels = {name: labels_of(host) for name, host in self._hosts.items()}
        aside = {name: left_aside(host) for name, host in self._hosts.items()}
        return JSONResponse({"status": "ok", "versions": versions, "labels": labels, "left_aside": aside})

    async def metrics(self, _: Request) -> Response:
        tell_states(self._hosts, self._metrics)
        return Response(self._metrics.exposed(), media_type=CONTENT_TYPE_LATEST)

    async def openapi(self, _: Request) -> Response:
        models = {name: host.current for name, host in self._hosts.items()}
        return JSONResponse(openapi_document(models, max_rows=self._max_rows))

    def _find(self, asked: _Asked) -> LoadedModel:
        return served_model(self._hosts, asked.name, version=asked.version, label=asked.label)

    async def _answer(self, model: LoadedModel, headers: Headers, receive: Receive) -> bytes:
        encoding = content_encoding(headers)
        if encoding not in ("", "gzip", "x-gzip"):
            raise HTTPException(415, f"Content-Encoding {quoted(encoding)} is not supported; use gzip")
        body = await _read(receive, self._max_body_bytes)
        if len(body) <= _PARSED_AT_ONCE and not encoding:
            asked = parse_request(body, model.interface, max_rows=self._max_rows)
        else:
            async with self._long_parse:
                asked = await run_in_threadpool(self._parse, body, model.interface, is_compressed=bool(encoding))
        answer: bytes = await model.answer(asked)
        return answer

    def _parse(self, body: bytes, interface: Interface, *, is_compressed: bool) -> PredictRequest:
        try:
            content = gunzip(body, self._max_body_bytes) if is_compressed else body
        except TooLargeError:
            raise HTTPException(413, f"the request is larger than {self._max_body_bytes} bytes") from None
        except ValueError as error:
            raise HTTPException(400, f"the body is not gzip: {error}") from None
        return parse_request(content, interface, max_rows=self._max_rows)


async def _explain(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _not_found(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 404)


async def _apologise(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": _APOLOGY}, 500)


def _error(reason: str) -> bytes:
    return orjson.dumps({"error": reason})


async def _read(receive: Receive, limit: int) -> bytes:
    body, is_whole = bytearray(), False
    while not is_whole:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HTTPException(400, "the client closed the connection before the end of the request")
        body += message.get("body", b"")
        if len(body) > limit:
            raise HTTPException(413, f"the request is larger than {limit} bytes")
        is_whole = not message.get("more_body", False)
    return bytes(body)


async def _send(send: Send, code: int, body: bytes, headers: Mapping[str, str]) -> None:
    every = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    lines = [(name.lower().encode(), value.encode()) for name, value in every.items()]
    await send({"type": "http.response.start", "status": code, "headers": lines})
    await send({"type": "http.response.body", "body": body})
