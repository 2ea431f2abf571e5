"""The lineage of an artifact: text, JSON, and OpenLineage events that OpenLineage's own classes accept."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from openlineage.client import event_v2, facet_v2
from openlineage.client.serde import Serde

from dataplane.artifacts import Examples
from dataplane.artifacts.examples import IngestSummary
from pipeline.cli import main
from pipeline.execution.metadata import Execution, Store
from pipeline.provenance.changes import artifact_digest
from pipeline.provenance.lineage import Lineage
from pipeline.provenance.openlineage import NAMESPACE, events
from tests.pipeline.execution.test_runner import Session, make_pipeline
from tests.pipeline.reporting.small_run import Runs

FACETS = {
    "dataSource": facet_v2.datasource_dataset.DatasourceDatasetFacet,
    "version": facet_v2.dataset_version_dataset.DatasetVersionDatasetFacet,
    "outputStatistics": facet_v2.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
    "processing_engine": facet_v2.processing_engine_run.ProcessingEngineRunFacet,
    "jobType": facet_v2.job_type_job.JobTypeJobFacet,
}
SCHEMA = facet_v2.schema_dataset
PARENT = facet_v2.parent_run


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Two runs of a toy pipeline that share the first step; tests must not change them."""
    session = Session(tmp_path_factory.mktemp("root"))
    session.run()
    session.run(make_pipeline(amount=2))
    return session


@pytest.fixture
def root(session: Session) -> Path:
    return session.store.directory.parent


def of(store: Store, node: str) -> list[Execution]:
    return store.executions(node)


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["lineage", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_an_artifact_is_followed_up_to_its_first_step(
    session: Session, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source,), (_, add), (_, finish) = (of(session.store, node) for node in ("Source", "Add", "Finish"))
    assert shown(capsys, "toy/Finish/model", "--up", "--root", str(root)) == [
        f"toy/Finish/{finish.id}: model",
        "made from",
        f"  └─ Add/{add.id}, run {add.run}: statistics",
        f"     └─ Source/{source.id}, run {source.run}: examples",
    ]


def test_an_artifact_is_followed_down_to_all_that_read_it(
    session: Session, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adds, finishes = of(session.store, "Add"), of(session.store, "Finish")
    lines = shown(capsys, "toy/Source", "--down", "--root", str(root))
    assert lines[1] == "read by"
    assert lines[2:] == [
        f"  ├─ Add/{adds[0].id}, run {adds[0].run}: examples",
        f"  │  └─ Finish/{finishes[0].id}, run {finishes[0].run}: statistics",
        f"  └─ Add/{adds[1].id}, run {adds[1].run}: examples",
        f"     └─ Finish/{finishes[1].id}, run {finishes[1].run}: statistics",
    ]


def test_json_has_every_execution_once_with_digests(
    session: Session, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older = of(session.store, "Add")[0]
    found = json.loads("\n".join(shown(capsys, f"toy/Add/{older.id}", "--json", "--root", str(root))))
    assert [it["step"] for it in found["executions"]] == ["Source", "Add", "Finish"]
    (output,) = found["executions"][1]["outputs"]
    assert output == {"artifact": f"Add/{older.id}/statistics", "digest": artifact_digest(older, "statistics")}
    assert output["digest"]
    up = json.loads("\n".join(shown(capsys, f"toy/Add/{older.id}", "--json", "--up", "--root", str(root))))
    assert [it["step"] for it in up["executions"]] == ["Source", "Add"]


def test_what_is_no_longer_recorded_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(tmp_path)
    session.run()
    source = session.executions["Source"]
    session.store.withdraw("Source", source.id)
    lines = shown(capsys, "toy/Finish", "--root", str(tmp_path))
    assert lines[-3] == f"     └─ examples: Source/{source.id}/examples (no longer recorded)"


def test_versions_and_sources_are_leaves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = Runs(tmp_path)
    runs.add("1")
    assert "published version 4" in shown(capsys, "toy/Pusher", "--down", "--root", str(tmp_path))[-1]
    manifest = runs.store.execution_directory("ExampleGen", "e-1") / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"external": {"interactions/a.csv": "12ab"}}))
    assert shown(capsys, "toy/ExampleGen", "--up", "--root", str(tmp_path))[-1] == (
        "  └─ source interactions/a.csv (12ab)"
    )


def typed(event: dict[str, Any]) -> event_v2.RunEvent:
    """An event as OpenLineage's own object; fails if a field is unknown, missing or invalid."""
    run, job = event["run"], event["job"]
    return event_v2.RunEvent(
        eventType=event_v2.RunState[event["eventType"]],
        eventTime=event["eventTime"],
        producer=event["producer"],
        run=event_v2.Run(run["runId"], facets=facets(run["facets"])),
        job=event_v2.Job(job["namespace"], job["name"], facets=facets(job["facets"])),
        inputs=[dataset(event_v2.InputDataset, it) for it in event["inputs"]],
        outputs=[dataset(event_v2.OutputDataset, it) for it in event["outputs"]],
    )


def dataset(kind: Any, content: dict[str, Any]) -> Any:
    extra = {"outputFacets": facets(content["outputFacets"])} if "outputFacets" in content else {}
    return kind(content["namespace"], content["name"], facets=facets(content["facets"]), **extra)


def facets(content: dict[str, Any]) -> dict[str, Any]:
    return {name: facet(name, fields) for name, fields in content.items()}


def facet(name: str, content: dict[str, Any]) -> Any:
    fields = {key: value for key, value in content.items() if not key.startswith("_")}
    producer = content["_producer"]
    if name == "parent":
        run, job = PARENT.Run(fields["run"]["runId"]), PARENT.Job(**fields["job"])
        return PARENT.ParentRunFacet(run=run, job=job, producer=producer)
    if name == "schema":
        return SCHEMA.SchemaDatasetFacet(fields=columns(fields["fields"]), producer=producer)
    return FACETS[name](**fields, producer=producer)


def columns(content: list[dict[str, Any]]) -> list[Any]:
    return [
        SCHEMA.SchemaDatasetFacetFields(it["name"], it["type"], fields=columns(it.get("fields", []))) for it in content
    ]


def without_empty(value: Any) -> Any:
    """JSON values without empty lists and objects, which OpenLineage's classes add."""
    if isinstance(value, dict):
        found = {key: without_empty(part) for key, part in value.items()}
        return {key: part for key, part in found.items() if part not in ({}, [])}
    return [without_empty(part) for part in value] if isinstance(value, list) else value


def checked(event: dict[str, Any]) -> None:
    """Holds an event against what OpenLineage's own client would send."""
    assert without_empty(Serde.to_dict(typed(event))) == without_empty(event)


def test_each_step_gives_a_valid_event(session: Session) -> None:
    store, lineage = session.store, Lineage(session.store)
    found = events(store, lineage, lineage.connected(of(store, "Finish")[1], ["model"], ("up",)))
    assert [event["job"]["name"] for event in found] == ["toy.Source", "toy.Add", "toy.Finish"]
    for event in found:
        checked(event)
    (read,), (made,) = found[1]["inputs"], found[0]["outputs"]
    assert (read["namespace"], read["name"], read["facets"]["version"]) == (
        NAMESPACE, "toy.Source.examples", made["facets"]["version"],
    )  # fmt: skip
    uri = session.store.output(of(store, "Source")[0], "examples").as_uri()
    assert made["facets"]["dataSource"]["uri"] == uri
    assert made["outputFacets"]["outputStatistics"]["fileCount"] == 1
    parents = {event["run"]["facets"]["parent"]["run"]["runId"] for event in found[1:]}
    assert len(parents) == 1
    again = events(store, lineage, of(store, "Add")[1:])
    assert again == found[1:2]


def test_columns_and_sources_are_in_the_events(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    run = runs.add("1")
    run.base_dir = "/data"
    runs.store.save_run(run)
    directory = runs.store.execution_directory("ExampleGen", "e-1")
    summary = {"interactions": {"query_id": "string", "price": "float64"}}
    IngestSummary(columns=summary).write(Examples(directory / "examples"))
    sources = {"interactions/a.csv": "12", "queries/s3://bucket/users.parquet": "34", "ask.py": "56"}
    manifest = directory / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"external": sources}))
    lineage = Lineage(runs.store)
    (event,) = events(runs.store, lineage, runs.store.executions("ExampleGen"))
    checked(event)
    assert [(it["namespace"], it["name"]) for it in event["inputs"]] == [
        ("file", "/data/a.csv"), ("s3://bucket", "users.parquet"),
    ]  # fmt: skip
    assert event["inputs"][0]["facets"]["version"]["datasetVersion"] == "12"
    (table,) = event["outputs"][0]["facets"]["schema"]["fields"]
    assert table["fields"] == [{"name": "query_id", "type": "string"}, {"name": "price", "type": "float64"}]


def test_the_checks_of_events_find_what_is_wrong(session: Session) -> None:
    (event,) = events(session.store, Lineage(session.store), of(session.store, "Source"))
    for broken in (
        event | {"run": event["run"] | {"runId": "7"}},
        event | {"eventTime": "yesterday"},
        event | {"job": event["job"] | {"facets": {"jobType": {"_producer": "urn:x", "jobType": "STEP"}}}},
    ):
        with pytest.raises((ValueError, TypeError, AssertionError)):
            checked(broken)


def test_events_are_written_to_a_file(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "events.jsonl"
    assert shown(capsys, "toy/Finish", "--up", "--openlineage", str(file), "--root", str(root)) == ["3 events"]
    found = [json.loads(line) for line in file.read_text().splitlines()]
    assert [event["job"]["name"] for event in found] == ["toy.Source", "toy.Add", "toy.Finish"]


class Received:
    """A server that takes events and answers with `status`."""

    def __init__(self) -> None:
        self.status = 201
        self.requests: list[tuple[str, str | None, dict[str, Any]]] = []
        received = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.requests.append((self.path, self.headers["Authorization"], json.loads(body)))
                self.send_response(received.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def received() -> Iterator[Received]:
    received = Received()
    thread = threading.Thread(target=received.server.serve_forever, args=(0.01,))
    thread.start()
    yield received
    received.server.shutdown()
    thread.join()
    received.server.server_close()


@pytest.mark.parametrize(("path", "expected"), [("", "/api/v1/lineage"), ("/", "/api/v1/lineage"), ("/in", "/in")])
def test_events_are_sent_to_a_server(
    root: Path, received: Received, monkeypatch: pytest.MonkeyPatch, path: str, expected: str
) -> None:
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "key-of-tests")
    assert main(["lineage", "toy/Add", "--up", "--openlineage", received.url + path, "--root", str(root)]) == 0
    assert [(where, key) for where, key, _ in received.requests] == [(expected, "Bearer key-of-tests")] * 2
    assert [event["job"]["name"] for _, _, event in received.requests] == ["toy.Source", "toy.Add"]


def test_a_server_that_refuses_or_is_not_there_is_told(
    root: Path, received: Received, capsys: pytest.CaptureFixture[str]
) -> None:
    received.status = 422
    arguments = ["lineage", "toy/Add", "--root", str(root), "--openlineage"]
    assert main([*arguments, received.url]) == 3
    assert "did not accept the event of toy.Source: 422" in capsys.readouterr().err
    assert main([*arguments, "http://127.0.0.1:1/"]) == 3
    assert "Connection refused" in capsys.readouterr().err
