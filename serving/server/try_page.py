"""The page `/`, where a person asks the served models, and the look-ups behind the page."""

import base64
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from pydantic import Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from dataplane.artifacts.document import Part
from dataplane.errors import PipelineError
from dataplane.errors.messages import first_problem

if TYPE_CHECKING:
    from serving.server.model_host import ModelHost

_PAGE = Path(__file__).with_name("try_page.html")
_MOST_BYTES = 1_000_000
MOST_TITLES = 20_000
"""The most ids whose titles are looked up at once."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Lookup(Protocol):
    """What a pipeline's records say about the queries and candidates of the served models."""

    def titles(self, ids: Collection[str]) -> Mapping[str, str]:
        """Titles by candidate id; candidates without a title are left out."""
        ...

    def query_ids(self) -> Sequence[str]:
        """Ids of some stored queries, as examples; empty if stored queries must not be shown."""
        ...

    def request(self, query_id: str) -> Mapping[str, Any]:
        """The features and the history of a stored query.

        Raises:
            PipelineError: the query is unknown, or must not be shown.
        """
        ...


class _Wanted(Part):
    ids: list[str] = Field(max_length=MOST_TITLES)


class TryPage:
    """Serves the page and answers its look-ups.

    The page is one file: the browser is told to load nothing, to run only the script in that file, and to ask this
    server alone.
    """

    def __init__(self, hosts: "Mapping[str, ModelHost]", lookup: Lookup | None) -> None:
        """Reads the page.

        Args:
            hosts: models by name.
            lookup: finds titles and stored queries; None without a pipeline's records.
        """
        self._hosts, self._lookup = hosts, lookup
        self._html = _PAGE.read_text(encoding="utf-8")
        self._headers = {
            "Content-Security-Policy": _policy(self._html),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }

    def routes(self) -> list[Route]:
        """Routes of the page and of its look-ups."""
        return [
            Route("/", self._page),
            Route("/page/models", self._models),
            Route("/page/query", self._query),
            Route("/page/titles", self._titles, methods=["POST"]),
        ]

    async def _page(self, _: Request) -> Response:
        return HTMLResponse(self._html, headers=self._headers)

    async def _models(self, request: Request) -> Response:
        models = {
            name: {
                "version": host.current.version,
                "signatures": {
                    signature: {key: spec.model_dump(mode="json") for key, spec in inputs.items()}
                    for signature, inputs in host.current.interface.signatures.items()
                },
                "rankings": dict(host.current.interface.rankings),
                "filters": dict(host.current.interface.filters),
            }
            for name, host in self._hosts.items()
        }
        queries = await run_in_threadpool(self._query_ids) if _is_local(request) else []
        return JSONResponse({"models": models, "queries": queries})

    async def _query(self, request: Request) -> Response:
        query_id = request.query_params.get("id", "")
        if self._lookup is None or not _is_local(request):  # another name could be a web site's that points here
            raise HTTPException(403, "stored queries are only shown on this machine")
        try:
            found = await run_in_threadpool(self._lookup.request, query_id)
        except PipelineError as error:
            raise HTTPException(404, str(error)) from error
        return JSONResponse({"request": dict(found)})

    async def _titles(self, request: Request) -> Response:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BYTES:
                raise HTTPException(413, f"the request is larger than {_MOST_BYTES} bytes")
        try:
            wanted = _Wanted.model_validate(orjson.loads(body))
        except ValidationError as error:
            raise HTTPException(400, first_problem(error)) from None
        except ValueError as error:
            raise HTTPException(400, f"the request is not JSON: {error}") from None
        return JSONResponse({"titles": await run_in_threadpool(self._find_titles, set(wanted.ids))})

    def _find_titles(self, ids: Collection[str]) -> dict[str, str]:
        """Titles that are stored with a model, or else from the pipeline's records."""
        for host in self._hosts.values():
            if (items := host.current.items) is not None and items.display is not None:
                return items.titles(ids)
        return {} if self._lookup is None else dict(self._lookup.titles(ids))

    def _query_ids(self) -> list[str]:
        try:
            return [] if self._lookup is None else list(self._lookup.query_ids())
        except PipelineError:  # the models answer without the records
            return []


def _is_local(request: Request) -> bool:
    return request.url.hostname in _LOOPBACK


def _policy(html: str) -> str:
    """A Content-Security-Policy that allows the file's own script and style, and requests to this server."""
    allowed = {tag: _digests(html, tag) for tag in ("script", "style")}
    return (
        f"default-src 'none'; script-src {allowed['script']}; style-src {allowed['style']}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _digests(html: str, tag: str) -> str:
    found = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(it.encode()).digest()).decode()}'" for it in found)
