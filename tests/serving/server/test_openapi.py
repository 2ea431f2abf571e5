"""The OpenAPI document against what the application takes and answers, over real models."""

import asyncio
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.types import ASGIApp

from components.scann_indexer import IndexConfig
from models.spec.features import FeatureSpec
from serving.published.local_versions import LocalVersions
from serving.server.batching import BatchingOptions
from serving.server.model_host import ModelHost
from serving.server.rest import create_app
from serving.server.server_metrics import ServerMetrics
from tests.components.tiny_world import make_world
from tests.serving.server.asgi import Reply, call
from tests.serving.server.exports import export

MAX_ROWS = 3
OTHER_FEATURES = FeatureSpec.model_validate({"query": {"age": {"type": "numeric"}}, "history": {"max_length": 4}})


class Served:
    """An application over two models below a directory."""

    def __init__(self, directory: Path, exported: Path) -> None:
        for name, kind in (("toy", "exact"), ("toy-scann", "scann")):
            shutil.copytree(exported / kind / "1", directory / name / "1")
        versions = LocalVersions(directory, "toy")
        self.hosts = {name: ModelHost(versions, name, BatchingOptions()) for name in ("toy", "toy-scann")}
        limits: dict[str, Any] = {"max_body_bytes": 100_000, "max_rows": MAX_ROWS, "timeout_seconds": 30}
        self.app: ASGIApp = create_app(self.hosts, ServerMetrics(), **limits)

    def get(self, path: str) -> Any:
        status, _, answer = asyncio.run(call(self.app, path, method="GET"))
        assert status == 200
        return answer

    def predict(self, asked: Any, name: str = "toy") -> Reply:
        return asyncio.run(call(self.app, f"/v1/models/{name}:predict", json.dumps(asked).encode()))


@pytest.fixture(scope="module")
def served(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(tmp_path_factory.mktemp("published"), exported)


def validator(document: Mapping[str, Any], *path: str) -> Draft202012Validator:
    """Of the schema at a path of the document."""
    schema = document
    for key in path:
        schema = schema[key]
    return Draft202012Validator({**schema, "components": document["components"]})


def predict_validators(document: Mapping[str, Any], name: str = "toy") -> tuple[Draft202012Validator, ...]:
    """Of requests, of answers and of errors."""
    operation = ("paths", f"/v1/models/{name}:predict", "post")
    content = ("content", "application/json", "schema")
    return (
        validator(document, *operation, "requestBody", *content),
        validator(document, *operation, "responses", "200", *content),
        validator(document, *operation, "responses", "400", *content),
    )


def test_it_is_a_document_of_every_signature(served: Served) -> None:
    document = served.get("/openapi.json")
    OpenAPIV31SpecValidator(document).validate()
    for name, host in served.hosts.items():
        for signature in host.current.interface.signatures:
            assert f"{name}.{signature}.Request" in document["components"]["schemas"]
    instance = document["components"]["schemas"]["toy.serving_default.Instance"]["properties"]
    assert instance["taste"]["maxItems"] == 2
    assert "context" not in instance
    for path, label in (("/v1/models/toy:predict", []), ("/v1/models/toy/labels/{label}:predict", ["label"])):
        operation = document["paths"][path]
        assert [it["name"] for it in operation.get("parameters", [])] == label
        assert [it["name"] for it in operation["post"]["parameters"]] == ["X-Request-Timeout-Ms"]


@pytest.mark.parametrize(
    "path", ["/healthz", "/v1/models/toy", "/v1/models/toy/metadata", "/openapi.json", "/page/models"]
)
def test_what_is_read_is_described(served: Served, path: str) -> None:
    content = ("paths", path, "get", "responses", "200", "content", "application/json", "schema")
    validator(served.get("/openapi.json"), *content).validate(served.get(path))


def test_the_look_ups_of_the_page_are_described(served: Served) -> None:
    document, content = served.get("/openapi.json"), ("content", "application/json", "schema")
    post = ("paths", "/page/titles", "post")
    every: list[Any] = [
        {"ids": ["c00004", "c00002"]},
        {"ids": []},
        {"ids": [4]},
        {"ids": "c00004"},
        {},
        {"ids": [], "a": 1},
    ]
    for asked in every:
        status, _, answer = asyncio.run(call(served.app, "/page/titles", json.dumps(asked).encode()))
        assert validator(document, *post, "requestBody", *content).is_valid(asked) == (status == 200)
        validator(document, *post, "responses", str(status), *content).validate(answer)
    status, _, answer = asyncio.run(call(served.app, "/page/query", method="GET", query=b"id=q1"))
    validator(document, "paths", "/page/query", "get", "responses", str(status), *content).validate(answer)


numbers = st.one_of(st.integers(-(2**70), 2**70), st.sampled_from([0.5, -2.25, 1e39, 2**63, 2**64, -(2**63), 3e38]))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    st.text(max_size=5),
    st.sampled_from(["c00001", "nl", "\x00", "é"]),
    st.fixed_dictionaries({"b64": st.sampled_from(["YzAwMDAx", "/w==", "", "?", "YQ", 3])}),
)
fitting = {
    "string": st.one_of(st.none(), st.text(max_size=5), st.integers(0, 9), st.just({"b64": "YzAwMDAx"})),
    "float32": st.one_of(st.none(), st.floats(-9, 9), st.integers(-9, 9)),
    "int64": st.one_of(st.none(), st.integers(0, 2**40)),
}
junk = st.one_of(scalars, st.lists(scalars, max_size=3), st.dictionaries(st.sampled_from(["a", "age"]), scalars))


@st.composite
def requests(draw: st.DrawFn, signatures: Mapping[str, Any], *, by_column: bool) -> Any:
    """Mostly requests that fit one of the signatures, and such as nearly do."""
    signature = draw(st.sampled_from(sorted(signatures)))
    inputs = signatures[signature]

    def value(spec: Any) -> st.SearchStrategy[Any]:
        items = fitting[spec.dtype]
        if len(spec.shape) == 2:
            width = spec.shape[1]
            items = st.one_of(st.none(), st.lists(items, min_size=width or 0, max_size=width or 4))
        return st.one_of(*[items] * 20, junk)

    options = {
        "k": st.one_of(st.none(), st.integers(-1, 10), st.just(8.0), junk),
        "columns": st.one_of(st.none(), st.lists(st.sampled_from(["title", "year", "gone"]), max_size=3), junk),
    }
    named = {name: value(spec) for name, spec in inputs.items()}
    strange = draw(st.one_of(*[st.just({})] * 9, st.dictionaries(st.sampled_from(["colour", "age"]), junk, max_size=1)))
    names = [*[st.just({"signature_name": signature})] * 6, st.just({})]
    asked = draw(st.one_of(st.just({}), st.fixed_dictionaries({}, optional=options)))
    asked |= draw(st.one_of(*names, st.fixed_dictionaries({"signature_name": st.one_of(st.just(""), junk)})))
    if by_column:
        rows = draw(st.integers(1, MAX_ROWS))
        lists = {name: st.lists(items, min_size=rows, max_size=rows) for name, items in named.items()}
        columns = draw(st.fixed_dictionaries({}, optional=lists)) | strange
        alone = len(inputs) == 1 and draw(st.booleans())
        return asked | {"inputs": next(iter(columns.values()), []) if alone else columns}
    row = st.fixed_dictionaries({}, optional=named).map(lambda row: row | strange)
    if len(inputs) == 1 and draw(st.booleans()):
        row = next(iter(named.values()))
    return asked | {"instances": draw(st.one_of(*[st.lists(row, max_size=MAX_ROWS + 1)] * 9, junk))}


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data(), by_column=st.booleans())
def test_what_it_allows_is_answered_as_it_says_and_all_else_is_refused(
    served: Served, data: st.DataObject, by_column: bool
) -> None:
    request, answer, error = predict_validators(served.get("/openapi.json"))
    asked = data.draw(requests(served.hosts["toy"].current.interface.signatures, by_column=by_column))
    status, _, answered = served.predict(asked)
    assert status in (200, 400)
    (answer if status == 200 else error).validate(answered)
    assert request.is_valid(asked) == (status == 200) or "of one length" in str(answered)


def test_another_version_is_described_once_it_answers(
    served: Served, exported: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    swapped = Served(tmp_path, exported)
    before = swapped.get("/openapi.json")
    world = make_world(tmp_path / "world", features=OTHER_FEATURES)
    other = export(world, tmp_path / "other", top_k=4, index=IndexConfig(queries=True))
    (other / "exact" / "1").rename(tmp_path / "toy" / "2")
    assert swapped.hosts["toy"].refresh()
    after = swapped.get("/openapi.json")
    OpenAPIV31SpecValidator(after).validate()
    assert (before["info"]["version"], after["info"]["version"]) == ("toy 1, toy-scann 1", "toy 2, toy-scann 1")
    assert after["paths"]["/v1/models/toy-scann:predict"] == before["paths"]["/v1/models/toy-scann:predict"]
    old, new = {"instances": [{"country": "nl"}]}, {"signature_name": "similar_queries", "instances": [{"age": 3}]}
    for document, fits, does_not in ((before, old, new), (after, new, old)):
        request, _, _ = predict_validators(document)
        assert request.is_valid(fits)
        assert not request.is_valid(does_not)
    assert swapped.predict(old)[0] == 400
    status, _, answered = swapped.predict({"instances": [{"age": 3}]})
    assert status == 200
    assert predict_validators(after)[1].is_valid(answered)
    of_eight = served.predict(old)[2]
    assert predict_validators(before)[1].is_valid(of_eight)
    assert not predict_validators(after)[1].is_valid(of_eight)  # of 4 candidates
    assert swapped.predict(new)[0] == 200
