"""The page `/` and its look-ups, called as an ASGI application, without a server."""

import asyncio
import base64
import hashlib
import re
from typing import Any

import pyarrow as pa
import pytest

from serving.model.item_columns import ItemColumns
from tests.serving.server.asgi import Reply, call
from tests.serving.server.try_page_app import HOSTILE, Model, Records, app_with_page

MODELS = {"toy": Model(["a", "b"])}
APP = app_with_page(MODELS, records=Records())
WITHOUT_RECORDS = app_with_page(MODELS, records=None)
HERE = {b"host": b"127.0.0.1:8501"}


def get(path: str, query: bytes = b"", *, host: bytes = b"localhost:8501", app: Any = APP) -> Reply:
    return asyncio.run(call(app, path, method="GET", query=query, headers={b"host": host}))


def post(body: bytes, app: Any = APP) -> Reply:
    return asyncio.run(call(app, "/page/titles", body, headers=HERE))


def test_the_page_may_run_its_own_script_and_ask_its_own_server_only() -> None:
    status, headers, content = get("/")
    assert status == 200
    assert headers[b"content-type"].startswith(b"text/html")
    page, policy = content.decode(), headers[b"content-security-policy"].decode()
    for tag in ("script", "style"):
        (own,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "connect-src 'self'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"https?://|innerHTML|insertAdjacentHTML|\son\w+=", page) == []


def test_the_models_are_told_with_their_inputs() -> None:
    told = get("/page/models")[2]
    assert told["queries"] == ["q1"]
    assert told["models"]["toy"]["version"] == 7
    assert told["models"]["toy"]["rankings"]["serving_default"] == 100
    inputs = told["models"]["toy"]["signatures"]["serving_default"]
    assert inputs["history"] == {"dtype": "string", "shape": [None, None]}
    assert told["models"]["toy"]["filters"] == {"genre": "any_of", "in_stock": "equals", "price": "range"}


def test_titles_are_looked_up_by_id() -> None:
    assert post(b'{"ids": ["a", "b", "gone"]}')[::2] == (200, {"titles": {"a": "Alien", "b": HOSTILE}})
    assert post(b'{"ids": ["a"]}', WITHOUT_RECORDS)[::2] == (200, {"titles": {}})


def test_titles_that_a_model_stores_need_no_records() -> None:
    table = pa.table({"candidate_id": ["a", "b"], "name": ["Aliens", None]}).replace_schema_metadata(
        {"display": "name"}
    )
    model = Model(["a", "b"], ItemColumns(table))
    for records in (None, Records()):
        app = app_with_page({"toy": Model(["a"]), "toy-scann": model}, records=records)
        assert post(b'{"ids": ["a", "b", "c"]}', app)[2] == {"titles": {"a": "Aliens"}}


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (b"{", 400, "not JSON"),
        (b'{"ids": [1]}', 400, "ids"),
        (b"[]", 400, "object|dictionary"),
        (b'{"ids": [' + b'"a",' * 20_000 + b'"a"]}', 400, "ids"),
        (b" " * 1_000_001, 413, "larger than 1000000 bytes"),
    ],
)
def test_bad_look_ups_are_told_why(body: bytes, code: int, reason: str) -> None:
    found, _, answer = post(body)
    assert found == code
    assert re.search(reason, answer["error"])


def test_a_stored_query_is_a_request() -> None:
    assert get("/page/query", b"id=q1")[2]["request"]["history"] == ["a", "b", "c"]
    assert get("/page/query", b"id=q9")[::2] == (404, {"error": "query 'q9' is not among the 1 queries of the data"})


@pytest.mark.parametrize("host", [b"evil.example", b"10.0.0.5:8501", b"localhost.evil.example"])
def test_stored_queries_are_for_this_machine_only(host: bytes) -> None:
    assert get("/page/query", b"id=q1", host=host)[0] == 403
    assert get("/page/models", host=host)[2]["queries"] == []


def test_without_records_there_are_no_stored_queries() -> None:
    assert get("/page/query", b"id=q1", app=WITHOUT_RECORDS)[0] == 403
    assert get("/page/models", app=WITHOUT_RECORDS)[2]["queries"] == []
