"""TensorFlow Serving's REST API over models in this process.

Missing inputs and nulls stand for missing values, which TensorFlow Serving itself does not take.
"""

import json
import time
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.concurrency import run_in_threadpool

from components.errors import ConfigError
from components.serving.descriptions import SIGNATURE
from components.serving.model_host import LoadedModel, ModelHost
from components.serving.requests import complete_request

_DTYPES = {"string": "DT_STRING", "float32": "DT_FLOAT", "int64": "DT_INT64"}


def create_app(hosts: Mapping[str, ModelHost], *, max_body_bytes: int, max_batch: int) -> FastAPI:
    """The application.

    Args:
        hosts: models by name.
        max_body_bytes: larger requests are answered with 413.
        max_batch: larger batches are answered with 400.
    """
    api = _Api(hosts, max_body_bytes, max_batch)
    app = FastAPI(title="two-tower retrieval", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_api_route("/v1/models/{name}:predict", api.predict, methods=["POST"])
    app.add_api_route("/v1/models/{name}/versions/{version}:predict", api.predict_version, methods=["POST"])
    app.add_api_route("/v1/models/{name}", api.status)
    app.add_api_route("/v1/models/{name}/metadata", api.metadata)
    app.add_api_route("/healthz", api.healthz)
    app.add_api_route("/metrics", api.metrics)
    app.add_exception_handler(HTTPException, _explain)
    return app


class _Api:
    def __init__(self, hosts: Mapping[str, ModelHost], max_body_bytes: int, max_batch: int) -> None:
        self._hosts, self._max_body_bytes, self._max_batch = hosts, max_body_bytes, max_batch
        self._registry = registry = CollectorRegistry()
        self._requests = Counter("requests", "Predict requests by answer", ["model", "code"], registry=registry)
        self._seconds = Histogram("request_seconds", "Time of a predict request", ["model"], registry=registry)
        self._version = Gauge("model_version", "Version that is served", ["model"], registry=registry)

    async def predict(self, name: str, request: Request) -> dict[str, Any]:
        return await self._answer(name, self._find(name), request)

    async def predict_version(self, name: str, version: int, request: Request) -> dict[str, Any]:
        model = self._find(name)
        if version != model.version:
            raise HTTPException(404, f"version {version} of '{name}' is not served, version {model.version} is")
        return await self._answer(name, model, request)

    async def status(self, name: str) -> dict[str, Any]:
        state = {"state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        return {"model_version_status": [{"version": str(self._find(name).version), **state}]}

    async def metadata(self, name: str) -> dict[str, Any]:
        return _metadata(name, self._find(name))

    async def healthz(self) -> dict[str, Any]:
        return {"status": "ok", "versions": {name: host.current.version for name, host in self._hosts.items()}}

    async def metrics(self) -> Response:
        for name, host in self._hosts.items():
            self._version.labels(name).set(host.current.version)
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    def _find(self, name: str) -> LoadedModel:
        if name not in self._hosts:
            raise HTTPException(404, f"no model '{name}'; there is {', '.join(self._hosts)}")
        return self._hosts[name].current

    async def _answer(self, name: str, model: LoadedModel, request: Request) -> dict[str, Any]:
        began, code = time.perf_counter(), 500
        try:
            body = await _read(request, self._max_body_bytes)
            answer = await run_in_threadpool(_predict, model, body, self._max_batch)
            code = 200
        except (ConfigError, OverflowError) as error:  # an integer may be beyond all floats
            code = 400
            raise HTTPException(code, str(error)) from None
        except HTTPException as error:
            code = error.status_code
            raise
        finally:
            self._requests.labels(name, code).inc()
            self._seconds.labels(name).observe(time.perf_counter() - began)
        return answer


async def _explain(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


async def _read(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise HTTPException(413, f"the request is larger than {limit} bytes")
    return bytes(body)


def _predict(model: LoadedModel, body: bytes, max_batch: int) -> dict[str, Any]:
    try:
        asked = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"request: not JSON: {error}") from None
    if not isinstance(asked, dict) or ("instances" in asked) == ("inputs" in asked):
        raise ConfigError("request: must be a JSON object with either 'instances' (rows) or 'inputs' (columns)")
    signature = asked.get("signature_name", SIGNATURE)
    if signature not in list(model.signatures):
        raise ConfigError(f"request: no signature '{signature}'; there is {', '.join(model.signatures)}")
    specs = model.signatures[signature]
    by_row = "instances" in asked
    rows = _rows(asked["instances"], specs) if by_row else _columns(asked["inputs"], specs)
    if not 1 <= len(rows) <= max_batch:
        raise ConfigError(f"request: a batch has 1 to {max_batch} rows, this one has {len(rows)}")
    outputs = model.predict(signature, [complete_request(specs, row) for row in rows])
    single = next(iter(outputs.values())) if len(outputs) == 1 else None
    if by_row:
        split = [dict(zip(outputs, values, strict=True)) for values in zip(*outputs.values(), strict=True)]
        return {"predictions": split if single is None else single}
    return {"outputs": outputs if single is None else single}


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number; null stands for a missing one")


def _rows(instances: Any, specs: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not isinstance(instances, list):
        raise ConfigError("request: 'instances' must be a list, an item a row")
    if len(specs) == 1 and not all(isinstance(row, dict) for row in instances):
        return [{next(iter(specs)): row} for row in instances]
    if not all(isinstance(row, dict) for row in instances):
        raise ConfigError(f"request: each instance must be an object with some of: {', '.join(specs)}")
    return instances


def _columns(inputs: Any, specs: Mapping[str, Any]) -> list[dict[str, Any]]:
    columns = {next(iter(specs)): inputs} if len(specs) == 1 and isinstance(inputs, list) else inputs
    if not isinstance(columns, dict) or not all(isinstance(values, list) for values in columns.values()):
        raise ConfigError("request: 'inputs' must be an object with a list for each input, an item a row")
    if len({len(values) for values in columns.values()}) != 1:
        raise ConfigError("request: the lists of 'inputs' must be of one length")
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _metadata(name: str, model: LoadedModel) -> dict[str, Any]:
    signatures = {
        signature: {"inputs": {key: _tensor_info(spec) for key, spec in inputs.items()}}
        for signature, inputs in model.signatures.items()
    }
    spec = {"name": name, "signature_name": "", "version": str(model.version)}
    return {"model_spec": spec, "metadata": {"signature_def": {"signature_def": signatures}}}


def _tensor_info(spec: Mapping[str, Any]) -> dict[str, Any]:
    sizes = [{"size": str(-1 if size is None else size), "name": ""} for size in spec["shape"]]
    return {"dtype": _DTYPES[spec["dtype"]], "tensor_shape": {"dim": sizes, "unknown_rank": False}}
