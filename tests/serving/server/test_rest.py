"""The HTTP interface over stand-ins for loaded models, called as an ASGI application, without a server."""

import asyncio
import gzip
import json
import threading
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import ASGIApp

from serving.model.descriptions import InputSpec
from serving.server.batching import QueueFullError
from serving.server.model_host import VersionState
from serving.server.predict_json import Interface, PredictRequest
from serving.server.rest import create_app
from serving.server.server_metrics import ServerMetrics
from tests.serving.server.asgi import Reply, call


class Gate(dict[str, Any]):
    """Signatures of which the one named "gated" is found only once the gate is open."""

    def __init__(self, signatures: Mapping[str, Any]) -> None:
        super().__init__(signatures)
        self.opened, self.crowded = threading.Event(), threading.Event()
        self.waiting = 0

    def __contains__(self, name: object) -> bool:
        if name == "gated":
            self.waiting += 1
            if self.waiting == 2:
                self.crowded.set()
            assert self.opened.wait(10)
        return super().__contains__(name)


class Model:
    def __init__(self, version: int = 7) -> None:
        self.version = version

    batcher = SimpleNamespace(queued_rows=0)
    interface = Interface({"serving_default": {"country": InputSpec(dtype="string", shape=(None,))}})
    definitions: Mapping[str, Any] = {}

    async def answer(self, request: PredictRequest) -> bytes:
        country = request.rows[0]["country"]
        if country == "slow":
            await asyncio.sleep(30)
        if country == "much":
            return b'{"predictions": "' + b"x" * 2000 + b'"}'
        if country == "full":
            raise QueueFullError("9 rows are waiting already")
        if country == "broken":
            raise ArithmeticError
        if country == "version":
            return b'{"predictions": %d}' % self.version
        return b'{"predictions": []}'


METRICS = ServerMetrics()
STATES = [VersionState(8, "END", "it is cut"), VersionState(7, "AVAILABLE")]
PREDICT = "/v1/models/toy:predict"


def app_over(model: Model, *, timeout_seconds: float) -> ASGIApp:
    served = {7: model, 5: Model(5)}
    host: Any = SimpleNamespace(current=model, served=served, labelled={"stable": served[5]}, states=STATES)
    return create_app({"toy": host}, METRICS, max_body_bytes=100_000, max_rows=5000, timeout_seconds=timeout_seconds)


APP = app_over(Model(), timeout_seconds=0.2)


def post(body: bytes, path: str = PREDICT, **options: Any) -> Reply:
    """Status, headers and JSON of what the application answers."""
    return asyncio.run(call(APP, path, body, **options))


def ask(country: str) -> Reply:
    return post(json.dumps({"instances": [{"country": country}]}).encode())


def test_a_question_is_answered() -> None:
    assert ask("nl")[::2] == (200, {"predictions": []})
    assert post(json.dumps({"instances": [{}] * 4000}).encode())[0] == 200


def test_a_full_queue_asks_to_come_back() -> None:
    status, headers, answer = ask("full")
    assert (status, headers[b"retry-after"]) == (503, b"1")
    assert answer == {"error": "9 rows are waiting already"}


def test_the_deadline_holds_for_the_answer_and_for_the_sending_of_a_request() -> None:
    assert ask("slow")[::2] == (504, {"error": "no answer within 0.2 s"})
    assert post(b'{"instances"', ends=False)[0] == 504


def test_an_error_of_ours_is_not_the_clients() -> None:
    assert ask("broken")[::2] == (500, {"error": "the server failed to answer; its log says why"})
    counted = METRICS.registry.get_sample_value("tfrs_serving_requests_total", {"model": "toy", "code": "500"})
    assert counted == 1


def test_a_body_is_not_read_beyond_its_limit() -> None:
    assert post(b" " * 100_001)[::2] == (413, {"error": "the request is larger than 100000 bytes"})


def test_a_path_that_is_none_is_told_as_json() -> None:
    assert post(b"", "/v1/nothing")[::2] == (404, {"error": "Not Found"})
    assert post(b"", "/healthz")[0] == 405
    assert post(b"{}", "/v1/models/other:predict")[::2] == (404, {"error": "no model 'other'; there is toy"})


def test_a_version_is_asked_for_by_its_number() -> None:
    body = b'{"instances": [{}]}'
    assert post(body, "/v1/models/toy/versions/7:predict")[0] == 200
    reason = "version 8 of 'toy' is not served, version 5 and version 7 are"
    assert post(body, "/v1/models/toy/versions/8:predict")[::2] == (404, {"error": reason})


def test_a_version_is_asked_for_by_its_label_and_counted_for_the_label() -> None:
    body = b'{"instances": [{"country": "version"}]}'
    by_path = {path: post(body, f"/v1/models/toy{path}:predict")[::2] for path in ("", "/versions/5", "/labels/stable")}
    assert by_path == {
        "": (200, {"predictions": 7}),
        "/versions/5": (200, {"predictions": 5}),
        "/labels/stable": (200, {"predictions": 5}),
    }
    reason = "no version of 'toy' has the label 'canary'; labels there are: stable"
    assert post(body, "/v1/models/toy/labels/canary:predict")[::2] == (404, {"error": reason})
    assert post(b"", "/healthz", method="GET")[2]["labels"] == {"toy": {"stable": 5}}
    metrics = post(b"", "/metrics", method="GET")[2]
    assert b'label_requests_total{code="200",label="stable",model="toy"} 1.0' in metrics
    assert b'label_request_seconds_count{label="stable",model="toy"} 1.0' in metrics
    assert b'label_version{label="stable",model="toy"} 5.0' in metrics
    assert b"canary" not in metrics
    metadata = post(b"", "/v1/models/toy/labels/stable/metadata", method="GET")[2]
    assert metadata["model_spec"]["version"] == "5"


def test_a_client_says_how_long_it_waits() -> None:
    body = json.dumps({"instances": [{"country": "slow"}]}).encode()
    told = {b"x-request-timeout-ms": b"20"}
    assert post(body, headers=told)[::2] == (504, {"error": "no answer within 0.02 s"})
    assert post(body, headers={b"x-request-timeout-ms": b"99999"})[::2] == (504, {"error": "no answer within 0.2 s"})
    for value in (b"0", b"-1", b"1.5", b"soon", b""):
        status, _, answer = post(body, headers={b"x-request-timeout-ms": value})
        assert (status, "is not a whole number above 0" in answer["error"]) == (400, True), value


def test_predict_requests_are_posted() -> None:
    status, headers, _ = post(b"", method="GET")
    assert (status, headers[b"allow"]) == (405, b"POST")


def test_bodies_may_be_compressed() -> None:
    body, told = json.dumps({"instances": [{}]}).encode(), {b"content-encoding": b"gzip"}
    assert post(gzip.compress(body), headers=told)[0] == 200
    assert "not gzip" in post(body, headers=told)[2]["error"]
    assert "not gzip: it ends too early" in post(gzip.compress(body)[:-4], headers=told)[2]["error"]
    assert post(gzip.compress(b"0" * 200_000), headers=told)[0] == 413
    assert post(gzip.compress(body), headers={b"content-encoding": b"br"})[0] == 415
    assert "not JSON" in post(gzip.compress(body))[2]["error"]


def test_long_answers_are_compressed_for_those_who_ask() -> None:
    body, accepted = json.dumps({"instances": [{"country": "much"}]}).encode(), {b"accept-encoding": b"deflate, gzip"}
    status, headers, answer = post(body, headers=accepted)
    assert (status, headers[b"content-encoding"], len(answer["predictions"])) == (200, b"gzip", 2000)
    assert int(headers[b"content-length"]) < 200
    assert b"content-encoding" not in post(body)[1]
    assert b"content-encoding" not in post(b'{"instances": [{}]}', headers=accepted)[1]
    assert post(b"", "/metrics", method="GET", headers=accepted)[1][b"content-encoding"] == b"gzip"


@pytest.mark.parametrize("is_compressed", [False, True])
def test_short_requests_are_answered_while_long_ones_are_parsed_one_at_a_time(is_compressed: bool) -> None:
    inputs = {"country": InputSpec(dtype="string", shape=(None,))}
    gate = Gate({"serving_default": inputs, "gated": inputs})
    app = app_over(type("Gated", (Model,), {"interface": Interface(gate)})(), timeout_seconds=60)
    long = json.dumps({"signature_name": "gated", "instances": [{"country": "x" * 20_000 * (not is_compressed)}]})
    body, told = (
        (gzip.compress(long.encode()), {b"content-encoding": b"gzip"}) if is_compressed else (long.encode(), {})
    )

    async def work() -> list[int]:
        parsing = [asyncio.create_task(call(app, PREDICT, body, headers=told)) for _ in range(2)]
        while not gate.waiting:
            await asyncio.sleep(0.001)
        short = [(await call(app, PREDICT, b'{"instances": [{}]}'))[0] for _ in range(50)]
        assert not await asyncio.to_thread(gate.crowded.wait, 1)
        gate.opened.set()
        return [*short, *[status for status, *_ in await asyncio.gather(*parsing)]]

    assert asyncio.run(work()) == [200] * 52


def test_versions_that_are_left_aside_are_told() -> None:
    assert post(b"", "/healthz", method="GET")[2]["left_aside"] == {"toy": [8]}
    assert b'model_versions_left_aside{model="toy"} 1.0' in post(b"", "/metrics", method="GET")[2]
