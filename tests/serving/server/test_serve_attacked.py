"""What strangers send, and what a broken publisher leaves, while a real server answers."""

import gzip
import json
import shutil
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pipeline.serving_process import Server, running_server

SIGNATURES = ["serving_default", "recommend_filtered", "similar_candidates", "score", "embed_query", "embed_candidate"]
INPUTS = [
    "country",
    "age",
    "tags",
    "taste",
    "history",
    "exclude_ids",
    "allow_ids",
    "candidate_id",
    "candidate_ids",
    "x",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("root"), "--max-body-bytes", "100000") as running:
        yield running
        assert "Traceback" not in running.log.read_text()


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(width=32),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["c00001", "c00002", "nl", "", "\x00", "é" * 50]),
    st.fixed_dictionaries({"b64": st.one_of(st.none(), st.sampled_from(["YzAwMDAx", "/w==", "?"]))}),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(INPUTS), inner, max_size=2)),
    max_leaves=8,
)
inputs = st.dictionaries(st.sampled_from(INPUTS), values, max_size=4)
bodies = st.one_of(
    st.fixed_dictionaries(
        {"instances": st.lists(inputs, max_size=3)}, optional={"signature_name": st.sampled_from(SIGNATURES)}
    ),
    st.fixed_dictionaries({"inputs": inputs}, optional={"signature_name": st.sampled_from(SIGNATURES)}),
    st.fixed_dictionaries({"instances": values}, optional={"signature_name": values}),
    values,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies, name=st.sampled_from(["toy", "toy-scann"]), is_compressed=st.booleans())
def test_no_request_makes_the_server_fail(server: Server, body: Any, name: str, is_compressed: bool) -> None:
    content = json.dumps(body).encode()
    headers = {"Content-Encoding": "gzip"} if is_compressed else {}
    request = urllib.request.Request(
        f"{server.base}/v1/models/{name}:predict", gzip.compress(content) if is_compressed else content, headers
    )
    code, answer = sent(request)
    assert code in (200, 400)
    assert code == 200 or len(answer["error"]) < 1000


def sent(request: urllib.request.Request) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


tokens = st.sampled_from([
    b"GET ", b"POST ", b"/v1/models/toy", b":predict", b"/metadata", b"/versions/", b"/healthz", b"/metrics",
    b"%00", b"%ff", b"..", b"//", b"?", b" HTTP/1.1\r\n", b" HTTP/9.9\r\n", b"Host: x\r\n", b"\r\n", b"\r\n\r\n",
    b"Content-Length: 3\r\n", b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Upgrade: websocket\r\nConnection: upgrade\r\n", b"Expect: 100-continue\r\n", b"Content-Encoding: gzip\r\n",
    b"{}", b"\xff\x00", b"1\r\nx\r\n0\r\n\r\n",
])  # fmt: skip


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.one_of(tokens, st.binary(max_size=6)), max_size=10))
def test_nothing_sent_to_the_socket_makes_the_server_fail(server: Server, parts: list[bytes]) -> None:
    host, port = server.base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b"".join(parts) + b"\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        received = b""
        try:
            while part := connection.recv(65536):
                received += part
        except ConnectionResetError:
            pass
    assert b"HTTP/1.1 5" not in received
    assert server.get("/healthz")["status"] == "ok"


def test_idle_connections_shut_nobody_out(server: Server) -> None:
    host, port = server.base.removeprefix("http://").split(":")
    silent = [socket.create_connection((host, int(port)), timeout=60) for _ in range(400)]
    try:
        assert server.post({"instances": [{}]})[0] == 200
    finally:
        for connection in silent:
            connection.close()


def test_bad_versions_between_good_ones_end_with_the_newest_good_one(server: Server) -> None:
    codes, stop = set[int](), threading.Event()

    def ask() -> None:
        while not stop.is_set():
            codes.add(server.post({"instances": [{"history": ["c00001"]}]})[0])

    asking = threading.Thread(target=ask)
    asking.start()
    directory = Path(server.publisher.versions_of.location)
    try:
        for turn, harmed in enumerate(["saved_model.pb", "assets.extra/model.json", "variables/variables.index"]):
            source = server.models[(turn + 1) % 2]
            good = server.publisher.publish(exact=source / "exact", scann=source / "scann", keep_versions=9)
            bad = [directory / model / str(good.version + 100) for model in server.publisher.models]
            for version in bad:
                shutil.copytree(version.parent / str(good.version), version)
                (version / harmed).write_bytes(b"{")
            wait_for(server, good.version)
            for version in bad:
                shutil.rmtree(version)
    finally:
        stop.set()
        asking.join()
    assert codes == {200}


def wait_for(server: Server, version: int) -> None:
    for _ in range(600):
        if set(server.get("/healthz")["versions"].values()) == {version}:
            return
        time.sleep(0.1)
    raise AssertionError(f"{server.get('/healthz')} instead of version {version}")
