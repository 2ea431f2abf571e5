"""Calls an ASGI application as a server would, without one."""

import asyncio
import gzip
import json
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp

Reply = tuple[int, dict[bytes, bytes], Any]
"""Status, headers, and the decompressed body, read as JSON where the answer is JSON."""


async def call(
    app: ASGIApp,
    path: str,
    body: bytes = b"",
    *,
    method: str = "POST",
    query: bytes = b"",
    headers: Mapping[bytes, bytes] | None = None,
    ends: bool = True,
) -> Reply:
    """Sends a request, or only its beginning.

    Raises:
        Exception: what the application raised before it answered.
    """
    sent: list[Any] = []
    parts = [{"type": "http.request", "body": body, "more_body": not ends}]

    async def receive() -> Any:
        return parts.pop() if parts else await asyncio.sleep(30, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "headers": list((headers or {}).items())}
    scope |= {"query_string": query, "http_version": "1.1"}
    try:
        await app(scope, receive, send)
    except Exception:
        if not sent:
            raise
    told = dict(sent[0]["headers"])
    return sent[0]["status"], told, _content(told, sent[1]["body"])


def _content(headers: Mapping[bytes, bytes], body: bytes) -> Any:
    content = gzip.decompress(body) if headers.get(b"content-encoding") == b"gzip" else body
    return json.loads(content) if headers[b"content-type"] == b"application/json" else content
