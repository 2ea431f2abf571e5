"""Inputs in object stores are read, checked and fingerprinted like local files."""

import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from components.example_gen import ExampleGenParams
from dataplane.beam_runner import MultiProcess
from dataplane.errors import DataError, RunError
from dataplane.files import objects, storage
from dataplane.sources.headers import check_headers
from models.spec.features import FeatureSpec
from tests.components.source_runs import PAIR, Run, csv
from tests.contexts import in_process
from tests.e2e.conftest import cli
from tests.pipeline.drafting.drafts import draft_config


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


@pytest.fixture(params=["s3", "gs"])
def bucket(request):
    return request.getfixturevalue(f"{request.param}_bucket")


def parquet_bytes(columns):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def fill(bucket):
    """Three tables of three formats, events in two partitions."""
    for day in ("2026-11-21", "2026-11-22"):
        events = {"u": ["a", "b"], "i": [f"x{day[-2:]}", "y"]}
        objects.write_bytes(f"{bucket}/in/events/dt={day}/part-0.parquet", parquet_bytes(events))
    objects.write_bytes(f"{bucket}/in/events/_SUCCESS", b"")
    objects.write_bytes(f"{bucket}/in/users.csv.gz", gzip.compress(b"u,age\na,30\nb,40\n"))
    lines = "".join(json.dumps({"i": i, "title": i.upper()}) + "\n" for i in ("x21", "x22", "y"))
    objects.write_bytes(f"{bucket}/in/items-1.jsonl", lines.encode())


def tables(bucket, events="events/"):
    return {
        "interactions": {
            "format": "parquet", "path": f"{bucket}/in/{events}", "columns": {**PAIR, "timestamp": "dt"},
        },
        "queries": {"format": "csv", "path": f"{bucket}/in/users.csv.gz", "id": "u"},
        "candidates": {"format": "jsonl", "path": [f"{bucket}/in/items-*.jsonl"], "id": "i"},
    }  # fmt: skip


def test_three_tables(run, bucket):
    fill(bucket)
    data = tables(bucket)
    spec = {"query": {"age": {"type": "numeric"}}, "candidate": {"title": {"type": "text"}}}
    assert check_headers(run.component(**data).params, FeatureSpec.model_validate(spec)) == []
    run(**data)
    assert [row["candidate_id"] for row in run.rows("interactions")] == ["x21", "y", "x22", "y"]
    assert [str(row["timestamp"].date()) for row in run.rows("interactions")][::2] == ["2026-11-21", "2026-11-22"]
    assert run.rows("queries", "query_id")[1] == {"query_id": "b", "age": 40}
    assert {row["title"] for row in run.rows("candidates")} == {"X21", "X22", "Y"}
    run(**tables(bucket, events="events/dt=2026-11-*2/"))
    assert run.summary()["out"] == 2


def test_the_fingerprint_follows_the_content_without_a_download(run, s3_bucket, monkeypatch):
    fill(s3_bucket)
    before = run.component(**tables(s3_bucket)).prepare().external
    assert run.component(**tables(s3_bucket)).prepare().external == before
    monkeypatch.setattr(storage, "open_input", None)
    objects.write_bytes(f"{s3_bucket}/in/users.csv.gz", gzip.compress(b"u,age\na,31\nb,40\n"))
    assert run.component(**tables(s3_bucket)).prepare().external != before


def test_an_object_that_changes_while_it_is_read(run, bucket):
    objects.write_bytes(f"{bucket}/e.csv", b"u,i\na,x\n")
    component = run.component(interactions=csv(f"{bucket}/e.csv"))
    prepared = component.prepare()
    objects.write_bytes(f"{bucket}/e.csv", b"u,i\na,y\n")
    with pytest.raises(DataError, match=rf"{bucket}/e\.csv changed while it was being read"):
        prepared.execute(component.Inputs(), component.Outputs(run.examples), in_process(scratch=run.directory))


def test_an_object_that_is_added_after_the_table_was_listed(run, bucket):
    objects.write_bytes(f"{bucket}/in/e1.csv", b"u,i\na,x\n")
    component = run.component(interactions=csv(f"{bucket}/in/*.csv"))
    prepared = component.prepare()
    objects.write_bytes(f"{bucket}/in/e2.csv", b"u,i\na,y\n")
    with pytest.raises(DataError, match=rf"{bucket}/in/e2\.csv was added after the files of interactions were listed"):
        prepared.execute(component.Inputs(), component.Outputs(run.examples), in_process(scratch=run.directory))


def test_workers_in_other_processes_reach_the_store(run, s3_bucket):
    objects.write_bytes(f"{s3_bucket}/e.csv", b"u,i\na,x\n,y\n")
    component = run.component(interactions=csv(f"{s3_bucket}/e.csv"), max_bad_fraction=0.5)
    context = in_process(beam=MultiProcess(workers=2), scratch=run.directory / "scratch")
    component.execute(component.Inputs(), component.Outputs(run.examples), context)
    assert run.rows("interactions") == [{"query_id": "a", "candidate_id": "x"}]
    [letter] = run.rows("dead_letters")
    assert (letter["file"], letter["row"]) == (f"{s3_bucket}/e.csv", 1)


def test_truncated_objects(run, s3_bucket):
    whole = parquet_bytes({"u": ["a"] * 1000, "i": [str(n) for n in range(1000)]})
    objects.write_bytes(f"{s3_bucket}/e.parquet", whole[:-50])
    with pytest.raises(DataError, match=rf"{s3_bucket}/e\.parquet cannot be read as Parquet.*replace it"):
        run(interactions={"format": "parquet", "path": f"{s3_bucket}/e.parquet", "columns": PAIR})


def test_missing_objects_are_reported_like_missing_files(run, bucket):
    objects.write_bytes(f"{bucket}/other.txt", b"1")
    for path, expected in (
        ("e.csv", "there is no file"),
        ("*.csv", "no file matches"),
        ("events/", "there is no file"),
    ):
        [problem] = check_headers(run.component(interactions=csv(f"{bucket}/{path}")).params, FeatureSpec())
        assert expected in problem.message
        assert f"{bucket}/{path}" in problem.message


def test_a_draft_of_objects_is_valid(run, s3_bucket):
    fill(s3_bucket)
    names = ("events", "users.csv.gz", "items-1.jsonl")
    document = yaml.safe_load(draft_config([f"{s3_bucket}/in/{name}" for name in names], "shop"))
    assert document["data"]["interactions"]["path"] == f"{s3_bucket}/in/events"
    params = ExampleGenParams.model_validate(document["data"])
    assert check_headers(params, FeatureSpec.model_validate(document["features"])) == []


@pytest.fixture
def config(tmp_path, s3_bucket):
    """A configuration whose events are in a bucket."""
    objects.write_bytes(f"{s3_bucket}/e.csv", b"u,i\na,x\n,y\n")
    file = tmp_path / "c.yaml"
    data = {"interactions": csv(f"{s3_bucket}/e.csv")}
    file.write_text(yaml.safe_dump({"schema_version": 1, "name": "stored", "data": data}))
    return file


def test_the_command_line_says_what_is_wrong_with_a_store(config, s3_bucket, monkeypatch, tmp_path):
    assert cli("validate", config).code == 0
    missing = cli("validate", config, f"--set=data.interactions.path={s3_bucket}/none.csv")
    assert (missing.code, f"{s3_bucket}/none.csv" in missing.err) == (2, True)
    for uri in ("s3://key:hunter2@bucket/e.csv", "ftp://host/e.csv"):
        refused = cli("validate", config, f"--set=data.interactions.path={uri}")
        assert refused.code == 2
        assert "hunter2" not in refused.err
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    unreachable = cli("run", config, "--root", tmp_path / "runs")
    assert (unreachable.code, "cannot be reached" in unreachable.err) == (3, True)
    assert "secret-of-tests" not in unreachable.err


def test_secrets_are_in_no_record(config, tmp_path):
    """Bad rows end the run; nothing that it wrote may contain the credentials."""
    result = cli("run", config, "--root", tmp_path / "runs")
    assert result.code == 3
    assert "unusable" in result.err
    for file in (tmp_path / "runs").rglob("*"):
        if file.is_file():
            assert b"secret-of-tests" not in file.read_bytes()
            assert b"key-of-tests" not in file.read_bytes()


def test_a_store_that_becomes_unreachable_is_not_bad_data(run, s3_bucket, monkeypatch):
    objects.write_bytes(f"{s3_bucket}/e.csv", b"u,i\na,x\n")
    component = run.component(interactions=csv(f"{s3_bucket}/e.csv"))
    prepared = component.prepare()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(RunError, match="cannot be reached"):
        prepared.execute(component.Inputs(), component.Outputs(run.examples), in_process(scratch=run.directory))
