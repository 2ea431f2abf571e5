"""`/v1/models/NAME/candidates`: adds, updates and removes candidates of a served model."""

import logging
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dataplane.errors import ConfigError, RunError
from dataplane.errors.messages import quoted
from serving.changes.candidate_rows import CandidateRows, removed
from serving.changes.change_log import Change, SealedError
from serving.server.access import Token
from serving.server.loaded_model import LoadedModel, without_paths
from serving.server.model_host import ModelHost
from serving.server.served_models import host_of

REFUSAL = "changes of candidates want the header 'Authorization: Bearer TOKEN', with the token for changes"
_LOG = logging.getLogger(__name__)
_KINDS = ("add", "update", "remove")


class CandidateChanges:
    """The handler. One request is one batch: all its changes are acknowledged, or none."""

    def __init__(self, hosts: Mapping[str, ModelHost], *, token: Token, max_body_bytes: int, max_rows: int) -> None:
        """Makes the handler.

        Args:
            hosts: models by name; the changes of one model of a pair are those of both.
            token: what every request must bring.
            max_body_bytes: larger requests get 413.
            max_rows: the most changes of a request.
        """
        self._hosts, self._token = hosts, token
        self._max_body_bytes, self._max_rows = max_body_bytes, max_rows

    def routes(self) -> list[Route]:
        """The routes to add to the application."""
        return [Route("/v1/models/{name}/candidates", self._change, methods=["POST"])]

    async def _change(self, request: Request) -> Response:
        if not self._token.is_in(request.headers.get("authorization")):
            raise HTTPException(401, REFUSAL, {"WWW-Authenticate": "Bearer"})
        host = host_of(self._hosts, request.path_params["name"])
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > self._max_body_bytes:
                raise HTTPException(413, f"the request is larger than {self._max_body_bytes} bytes")
        model = host.current
        try:
            count = await run_in_threadpool(self._append, model, bytes(body))
        except ConfigError as error:
            raise HTTPException(400, str(error)) from None
        except SealedError:
            message = f"version {model.version} is about to be replaced; send the changes again"
            raise HTTPException(503, message, {"Retry-After": "1"}) from None
        except RunError as error:
            _LOG.error("changes of candidates are refused: %s", error)
            raise HTTPException(503, without_paths(error)) from None
        return JSONResponse({"version": str(model.version), "changed": count})

    def _append(self, model: LoadedModel, body: bytes) -> int:
        if model.changes is None:
            raise ConfigError("request: these models are in an object store, where candidates cannot be changed")
        changes = self._parsed(model, body)
        model.changes.append(changes)
        return len(changes)

    def _parsed(self, model: LoadedModel, body: bytes) -> list[Change]:
        try:
            asked = orjson.loads(body)
        except ValueError as error:
            raise ConfigError(f"request: not JSON: {error}") from None
        if not isinstance(asked, dict) or not asked or not all(isinstance(rows, list) for rows in asked.values()):
            raise ConfigError(f"request: must be a JSON object with lists as {', '.join(_KINDS)}")
        if unknown := sorted({*asked} - {*_KINDS}):
            raise ConfigError(f"request: {quoted(unknown[0])} is none of {', '.join(_KINDS)}")
        if not 1 <= sum(map(len, asked.values())) <= self._max_rows:
            raise ConfigError(f"request: a request has 1 to {self._max_rows} changes")
        rows = CandidateRows(model.description)
        changes = [_change(rows, kind, row) for kind in _KINDS for row in asked.get(kind, [])]
        model.check_candidates([change.inputs for change in changes if change.inputs is not None])
        return changes


def _change(rows: CandidateRows, kind: str, row: Any) -> Change:
    if kind == "remove":
        return removed(row)
    if not isinstance(row, dict):
        raise ConfigError(f"request: each row of '{kind}' must be an object with the features of a candidate")
    return rows.added(row)
