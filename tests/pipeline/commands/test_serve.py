"""A real server process on the loopback, over a small model."""

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from serving.published.promoting import Promoter
from tests.docs.blocks import blocks, commands
from tests.paths import PROJECT
from tests.pipeline.serving_process import Server, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("root"), "--max-rows", "8", "--max-body-bytes", "20000") as running:
        yield running


def test_rows_and_columns_are_answered(server: Server) -> None:
    code, rows = server.post({"instances": [{"history": ["c00001"]}, {"age": 30, "country": None}]})
    assert code == 200
    assert [len(row["candidate_ids"]) for row in rows["predictions"]] == [5, 5]
    assert "c00001" not in rows["predictions"][0]["candidate_ids"]
    _, columns = server.post({"inputs": {"history": [["c00001"], []], "age": [None, 30]}})
    assert columns["outputs"]["candidate_ids"][0] == rows["predictions"][0]["candidate_ids"]
    version = server.get("/healthz")["versions"]["toy"]
    _, exact = server.post({"instances": [{"history": ["c00001"]}]}, f"/v1/models/toy/versions/{version}:predict")
    assert exact["predictions"][0]["candidate_ids"] == rows["predictions"][0]["candidate_ids"]
    _, similar = server.post({"signature_name": "similar_candidates", "instances": ["c00002"]})
    assert "c00002" not in similar["predictions"][0]["candidate_ids"]
    _, scores = server.post({"signature_name": "score", "inputs": {"candidate_ids": [["c00002", "nobody"]]}})
    assert len(scores["outputs"][0]) == 2


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (b"{", 400, "not JSON"),
        (b'{"instances": [{"age": NaN}]}', 400, "null stands for a missing number"),
        ({"instances": [{}] * 9}, 400, "1 to 8 rows, this one has 9"),
        ({"instances": [{"colour": "red"}]}, 400, "'colour' is not an input"),
        ({"signature_name": "embed", "instances": [{}]}, 400, "no signature 'embed'"),
        ({"instances": [{"country": "x" * 20000}]}, 413, "larger than 20000 bytes"),
    ],
)
def test_bad_requests_are_told_why(server: Server, body: Any, code: int, reason: str) -> None:
    found, answer = server.post(body)
    assert found == code
    assert re.search(reason, answer["error"])


def test_what_is_not_there_is_not_found(server: Server) -> None:
    for path in ("other:predict", "toy/versions/1:predict", "toy/labels/stable:predict", "toy:classify"):
        code, answer = server.post({"instances": [{}]}, f"/v1/models/{path}")
        assert code in (404, 405)
        assert answer["error"]


def test_requests_at_the_same_time_are_joined(server: Server) -> None:
    questions = [{"instances": [{"history": [f"c{number:05d}"]}]} for number in range(8)] * 8
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(server.post, questions))
    for number, (question, (code, answer)) in enumerate(zip(questions, answers, strict=True)):
        assert code == 200
        ids = answer["predictions"][0]["candidate_ids"]
        assert question["instances"][0]["history"][0] not in ids
        assert ids == answers[number % 8][1]["predictions"][0]["candidate_ids"]
    metrics = server.get("/metrics")
    batches = re.search(r'batch_rows_count\{model="toy-scann"\} (\S+)', metrics)
    rows = re.search(r'batch_rows_sum\{model="toy-scann"\} (\S+)', metrics)
    assert batches is not None
    assert rows is not None
    assert float(batches[1]) < float(rows[1])


def test_status_metadata_and_metrics(server: Server) -> None:
    status = server.get("/v1/models/toy")["model_version_status"][0]
    assert status["state"] == "AVAILABLE"
    assert server.get(f"/v1/models/toy/versions/{status['version']}") == {"model_version_status": [status]}
    metadata = server.get("/v1/models/toy/metadata")
    assert metadata["model_spec"] == {"name": "toy", "signature_name": "", "version": status["version"]}
    assert server.get(f"/v1/models/toy/versions/{status['version']}/metadata") == metadata
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"]["age"]["dtype"] == "DT_FLOAT"
    dimensions = signature["outputs"]["candidate_ids"]["tensor_shape"]["dim"]
    assert dimensions == [{"size": "-1", "name": ""}, {"size": "5", "name": ""}]
    served = re.search(r'model_version\{model="toy"\} (\S+)', server.get("/metrics"))
    assert served is not None
    assert float(served[1]) == int(status["version"])


SERVING = list(blocks(PROJECT / "docs/serving.md"))
CURLS = [words for block in SERVING if block.language == "sh" for words in commands(block) if words[:1] == ["curl"]]


def test_the_documented_curl_lines_are_answered(server: Server) -> None:
    Promoter(server.publisher.directory, "toy").promote(server.get("/healthz")["versions"]["toy"], "stable")
    for _ in range(300):
        if all(server.get("/healthz")["labels"].values()):
            break
        time.sleep(0.1)
    signatures = server.get("/v1/models/toy/metadata")["metadata"]["signature_def"]["signature_def"]
    asked = 0
    for _, *words in CURLS:
        path = words[-1].partition("localhost:8501")[2].replace("quickstart", "toy")
        body = json.loads(words[words.index("-d") + 1]) if "-d" in words else {}
        is_of_another_model = "/models/" in path and "/models/toy" not in path
        if is_of_another_model or body.get("signature_name", "serving_default") not in signatures or "-H" in words:
            continue  # needs a configuration that this model has not
        asked += 1
        if body:
            assert body.pop("columns", []) in ([], ["title"])  # this model has none
            code, answer = server.post(body, path)
            assert (code, len(answer["predictions"])) == (200, 1), path
        else:
            assert server.get(path), path
    assert asked >= 7


def test_the_documented_grpc_client_is_answered_as_over_http(server: Server) -> None:
    (script,) = (block.text for block in SERVING if "PredictionServiceStub" in block.text)
    names: dict[str, Any] = {}
    exec(script.replace("localhost:8500", f"127.0.0.1:{server.grpc_port}").replace("quickstart", "toy"), names)
    _, answer = server.post({"instances": [{"history": ["c12", "c99"]}]})
    ids = [name.decode() for name in names["ids"][0]]
    assert ids == answer["predictions"][0]["candidate_ids"]
    assert re.search(r'requests_total\{code="OK",model="toy-scann"\} 1.0', server.get("/metrics"))


def test_a_label_stays_with_its_version_while_a_new_one_takes_over(server: Server) -> None:
    before = Promoter(server.publisher.directory, "toy").versions_of.labels()["stable"]
    other = server.models[1]
    published = server.publisher.publish(exact=other / "exact", scann=other / "scann", keep_versions=1)
    while server.get("/healthz")["versions"]["toy-scann"] != published.version:
        time.sleep(0.1)
    body: Any = {"instances": [{}]}
    _, newest = server.post(body)
    _, stable = server.post(body, "/v1/models/toy-scann/labels/stable:predict")
    _, numbered = server.post(body, f"/v1/models/toy-scann/versions/{before}:predict")
    assert [len(answer["predictions"][0]["candidate_ids"]) for answer in (newest, stable, numbered)] == [4, 5, 5]
    assert server.get("/v1/models/toy-scann/labels/stable")["model_version_status"][0]["version"] == str(before)
    assert 'label_requests_total{code="200",label="stable",model="toy-scann"}' in server.get("/metrics")


def test_a_new_version_takes_over_without_a_failed_request(server: Server) -> None:
    older = server.models[0]  # the test before published the other
    published = server.publisher.publish(exact=older / "exact", scann=older / "scann", keep_versions=5)
    lengths = []
    for _ in range(3000):
        code, answer = server.post({"instances": [{}]})
        assert code == 200
        lengths.append(len(answer["predictions"][0]["candidate_ids"]))
        if lengths[-1] == 5:
            break
        time.sleep(0.02)
    assert lengths[0] in (4, 5)
    assert lengths[-1] == 5
    assert server.get("/healthz")["versions"]["toy-scann"] == published.version
