"""TensorFlow Serving's PredictionService and ModelService, for models in this process."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Mapping
from typing import Any, NoReturn, TypeAlias

import grpc
import tensorflow as tf
from google.protobuf.json_format import ParseDict
from starlette.concurrency import run_in_threadpool
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from dataplane.errors import ConfigError
from serving.server.batching import QueueFullError
from serving.server.loaded_model import LoadedModel, without_paths
from serving.server.model_host import ModelHost
from serving.server.predict_tensors import parse_tensors
from serving.server.served_models import NotServedError, host_of, served_model
from serving.server.server_metrics import ServerMetrics

_LOG = logging.getLogger(__name__)
_APOLOGY = "the server failed to answer; its log says why"
_PARSED_AT_ONCE = 16_384  # bytes; longer requests are parsed in a thread, so that short requests need not wait
_SIGNATURES = "signature_def"
_STATES = get_model_status_pb2.ModelVersionStatus.State
_UNKNOWN_ERROR = 2  # of google.rpc.Code

Context: TypeAlias = Any
"""A `grpc.aio.ServicerContext`; gRPC has no types."""


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata; the other methods are for models of other kinds."""

    def __init__(
        self, hosts: Mapping[str, ModelHost], metrics: ServerMetrics, *, max_rows: int, timeout_seconds: float
    ) -> None:
        self._hosts, self._metrics, self._max_rows, self._timeout = hosts, metrics, max_rows, timeout_seconds
        self._long_parse = asyncio.Semaphore(1)

    async def Predict(self, request: predict_pb2.PredictRequest, context: Context) -> Any:  # noqa: N802
        """Answers a request, unless its deadline or the server's time limit passes first."""
        began, status, why, answer = time.perf_counter(), grpc.StatusCode.CANCELLED, "", None
        try:
            answer, status, why = await _outcome(self._answer(request, context))
        finally:  # also if the client has left
            spec = request.model_spec
            if (host := self._hosts.get(spec.name)) is not None:
                label = spec.version_label if spec.version_label in host.labelled else None
                self._metrics.observe(spec.name, status.name, time.perf_counter() - began, label=label)
        if status is not grpc.StatusCode.OK:
            await context.abort(status, why)
        return answer

    async def GetModelMetadata(  # noqa: N802
        self, request: get_model_metadata_pb2.GetModelMetadataRequest, context: Context
    ) -> Any:
        """Answers with the signatures of a model, the only metadata that there are."""
        return await _answer_or_abort(self._metadata(request), context)

    async def Classify(self, _: Any, context: Context) -> None:  # noqa: N802
        """Refuses."""
        await _refuse(context, "Classify")

    async def Regress(self, _: Any, context: Context) -> None:  # noqa: N802
        """Refuses."""
        await _refuse(context, "Regress")

    async def MultiInference(self, _: Any, context: Context) -> None:  # noqa: N802
        """Refuses."""
        await _refuse(context, "MultiInference")

    async def _answer(self, request: predict_pb2.PredictRequest, context: Context) -> Any:
        left = context.time_remaining()
        seconds = min(self._timeout, math.inf if left is None else left)
        try:
            async with asyncio.timeout(seconds):
                model = _model(self._hosts, request.model_spec)
                return await model.answer(await self._parsed(request, model))
        except TimeoutError:
            raise TimeoutError(f"no answer within {seconds:g} s") from None

    async def _parsed(self, request: predict_pb2.PredictRequest, model: LoadedModel) -> Any:
        if request.ByteSize() <= _PARSED_AT_ONCE:
            return parse_tensors(request, model, max_rows=self._max_rows)
        async with self._long_parse:
            return await run_in_threadpool(parse_tensors, request, model, max_rows=self._max_rows)

    async def _metadata(self, request: get_model_metadata_pb2.GetModelMetadataRequest) -> Any:
        if list(request.metadata_field) != [_SIGNATURES]:
            raise ConfigError(f"request: metadata_field must be ['{_SIGNATURES}'], got {list(request.metadata_field)}")
        model = _model(self._hosts, request.model_spec)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, definition in model.definitions.items():
            signatures.signature_def[name].CopyFrom(ParseDict(definition, meta_graph_pb2.SignatureDef()))
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.model_spec.name = request.model_spec.name
        answer.model_spec.version.value = model.version
        answer.metadata[_SIGNATURES].Pack(signatures)
        return answer


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus; which models are served is a matter of what is published, not of requests."""

    def __init__(self, hosts: Mapping[str, ModelHost]) -> None:
        self._hosts = hosts

    async def GetModelStatus(self, request: get_model_status_pb2.GetModelStatusRequest, context: Context) -> Any:  # noqa: N802
        """Answers with the states of the version that is asked for, or of all that are served or left aside."""
        return await _answer_or_abort(self._status(request.model_spec), context)

    async def HandleReloadConfigRequest(self, _: Any, context: Context) -> None:  # noqa: N802
        """Refuses."""
        await _refuse(context, "HandleReloadConfigRequest")

    async def _status(self, spec: model_pb2.ModelSpec) -> Any:
        host, wanted = host_of(self._hosts, _name(spec)), None
        if spec.WhichOneof("version_choice") == "version_label":
            wanted = _model(self._hosts, spec).version
        elif spec.HasField("version"):
            wanted = spec.version.value
        answer = get_model_status_pb2.GetModelStatusResponse()
        for found in host.states:
            if wanted in (None, found.version):
                status = answer.model_version_status.add(version=found.version, state=_STATES.Value(found.state))
                status.status.error_code = _UNKNOWN_ERROR if found.error else 0
                status.status.error_message = found.error
        if not answer.model_version_status:
            raise NotServedError(f"version {wanted} of '{spec.name}' is not served")
        return answer


_CODES: tuple[tuple[type[Exception], grpc.StatusCode], ...] = (
    (TimeoutError, grpc.StatusCode.DEADLINE_EXCEEDED),
    (QueueFullError, grpc.StatusCode.UNAVAILABLE),
    (NotServedError, grpc.StatusCode.NOT_FOUND),
    (ConfigError, grpc.StatusCode.INVALID_ARGUMENT),
    (tf.errors.InvalidArgumentError, grpc.StatusCode.INVALID_ARGUMENT),
)


async def _outcome(work: Awaitable[Any]) -> tuple[Any, grpc.StatusCode, str]:
    """The answer, or the status and message of an error."""
    try:
        return await work, grpc.StatusCode.OK, ""
    except Exception as error:
        for kind, status in _CODES:
            if isinstance(error, kind):
                return None, status, without_paths(error) if kind is tf.errors.InvalidArgumentError else str(error)
        _LOG.exception("gRPC: a request failed")
        return None, grpc.StatusCode.INTERNAL, _APOLOGY


async def _answer_or_abort(work: Awaitable[Any], context: Context) -> Any:
    answer, status, why = await _outcome(work)
    if status is not grpc.StatusCode.OK:
        await context.abort(status, why)
    return answer


async def _refuse(context: Context, method: str) -> NoReturn:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"this server does not answer {method}; Predict is answered")
    raise AssertionError


def _model(hosts: Mapping[str, ModelHost], spec: model_pb2.ModelSpec) -> LoadedModel:
    choice = spec.WhichOneof("version_choice")
    return served_model(
        hosts,
        _name(spec),
        version=str(spec.version.value) if choice == "version" else None,
        label=spec.version_label if choice == "version_label" else None,
    )


def _name(spec: model_pb2.ModelSpec) -> str:
    if not spec.name:
        raise ConfigError("request: model_spec.name is empty")
    return str(spec.name)
