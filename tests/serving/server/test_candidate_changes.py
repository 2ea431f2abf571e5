"""Candidates that are changed over HTTP, and answered by loaded models."""

import asyncio
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import ASGIApp

from serving.changes.change_log import Change, ChangeLog
from serving.server.access import Token
from serving.server.candidate_changes import REFUSAL
from serving.server.loaded_model import LoadedModel
from serving.server.rest import create_app
from serving.server.server_metrics import ServerMetrics
from tests.serving.server.asgi import call
from tests.serving.server.asking import JOINED, answers, asked

TOKEN = "a-secret"
METRICS = ServerMetrics()


@pytest.fixture(scope="module")
def models(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadedModel]:
    """Both models of the pair, of which the log of an older version is carried over."""
    logs = tmp_path_factory.mktemp("logs")
    old = ChangeLog(logs, 0, {"towers": "old"})
    old.append([Change("c00004", None), Change("early", {"candidate_id": "early"})])
    return {
        name: LoadedModel(exported / name / "1", JOINED, on_batch=lambda rows: None, changes=logs)
        for name in ("exact", "scann")
    }


@pytest.fixture(scope="module")
def app(models: dict[str, LoadedModel]) -> ASGIApp:
    hosts: Any = {name: SimpleNamespace(current=model, states=[]) for name, model in models.items()}
    limits: Any = {"max_body_bytes": 10_000, "max_rows": 3, "timeout_seconds": 60}
    return create_app(hosts, METRICS, **limits, changes=Token(TOKEN))


def change(app: ASGIApp, body: Any, headers: Mapping[bytes, bytes] | None = None, name: str = "exact") -> Any:
    given = {b"authorization": b"Bearer a-secret"} if headers is None else headers
    status, _, answer = asyncio.run(
        call(app, f"/v1/models/{name}/candidates", json.dumps(body).encode(), headers=given)
    )
    return status, answer


def ids_of(model: LoadedModel, instance: Any, signature: str = "serving_default") -> list[str]:
    ((row,),) = answers(model, [asked(model, [instance], signature)])
    return [name for name in row["candidate_ids"] if name]


def test_both_models_answer_with_changes_at_once(app: ASGIApp, models: dict[str, LoadedModel]) -> None:
    every = {"allow_ids": ["c00004", "early", "c00005", "c00006", "new"]}
    for model in models.values():
        assert sorted(ids_of(model, every, "recommend_filtered")) == ["c00005", "c00006", "early"]
    status, answer = change(app, {"add": [{"candidate_id": "new"}], "remove": ["c00005", {"candidate_id": "c00007"}]})
    assert (status, answer) == (200, {"version": "1", "changed": 3})
    for model in models.values():
        assert sorted(ids_of(model, every, "recommend_filtered")) == ["c00006", "early", "new"]
        assert len(ids_of(model, {"history": ["c00001"]})) == 8
    ((scored,),) = answers(models["exact"], [asked(models["exact"], [{"candidate_ids": ["new", "c00005"]}], "score")])
    ((embedded,),) = answers(models["exact"], [asked(models["exact"], ["new"], "embed_candidate")])
    ((query,),) = answers(models["exact"], [asked(models["exact"], [{}], "embed_query")])
    assert scored[0] == pytest.approx(sum(a * b for a, b in zip(embedded, query, strict=True)), rel=1e-4)
    assert scored[1] < -1e38


@pytest.mark.parametrize("headers", [{}, {b"authorization": b"Bearer wrong"}, {b"authorization": b"Basic a-secret"}])
def test_only_clients_with_the_token_change_candidates(app: ASGIApp, headers: dict[bytes, bytes]) -> None:
    assert change(app, {"remove": ["c00100"]}, headers) == (401, {"error": REFUSAL})


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ([], "must be a JSON object with lists"),
        ({"add": "x"}, "must be a JSON object with lists"),
        ({"drop": ["x"]}, "'drop' is none of add, update, remove"),
        ({"add": []}, "a request has 1 to 3 changes"),
        ({"remove": ["a", "b", "c", "d"]}, "a request has 1 to 3 changes"),
        ({"add": [{"candidate_id": ""}]}, "a row has no candidate_id"),
        ({"add": ["x"]}, "each row of 'add' must be an object"),
        ({"add": [{"candidate_id": "x", "colour": "red"}]}, "'colour' is not an input"),
        ({"remove": ["x"] * 2000}, "larger than 10000 bytes"),
    ],
)
def test_a_bad_request_is_refused_as_a_whole(
    app: ASGIApp, models: dict[str, LoadedModel], body: Any, problem: str
) -> None:
    log = models["exact"].changes
    assert log is not None
    before = log.file.read_bytes() if log.file.exists() else b""
    status, answer = change(app, body)
    assert status == (413 if "larger" in problem else 400)
    assert problem in answer["error"]
    assert (log.file.read_bytes() if log.file.exists() else b"") == before
    assert change(app, {"remove": ["x"]}, name="other")[0] == 404


def test_a_server_without_a_token_has_no_such_address(models: dict[str, LoadedModel]) -> None:
    hosts: Any = {"exact": SimpleNamespace(current=models["exact"], states=[])}
    closed = create_app(hosts, METRICS, max_body_bytes=10_000, max_rows=3, timeout_seconds=60)
    assert change(closed, {"remove": ["c00100"]})[0] == 404


def test_changes_for_a_version_that_is_replaced_are_to_be_sent_again(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported / "exact" / "1", tmp_path / "1")
    model = LoadedModel(tmp_path / "1", JOINED, on_batch=lambda rows: None, changes=tmp_path / "logs")
    hosts: Any = {"exact": SimpleNamespace(current=model, states=[])}
    app = create_app(hosts, METRICS, max_body_bytes=10_000, max_rows=3, timeout_seconds=60, changes=Token(TOKEN))
    assert change(app, {"remove": ["c00100"]})[0] == 200
    assert model.changes is not None
    model.changes.seal(2)
    status, answer = change(app, {"remove": ["c00101"]})
    assert (status, answer) == (503, {"error": "version 1 is about to be replaced; send the changes again"})
    model.changes.file.write_bytes(b"damage\n" + model.changes.file.read_bytes())
    status, answer = change(app, {"remove": ["c00101"]})
    assert (status, answer["error"]) == (503, "1.log is damaged at byte 0; restore the file, or move it away")
