"""Parts of spans across runs: killed anywhere, kept by `clean` as long as they are needed."""

import os
from datetime import date, timedelta

import pytest

from components.base import Params
from components.example_gen import ExampleGen, ExampleGenParams
from components.statistics_gen import StatisticsGen
from dataplane.beam_runner import InProcess
from dataplane.files.digests import digests_below
from pipeline.cli import main
from pipeline.execution.dag import Pipeline
from pipeline.execution.kept_parts import every_part
from pipeline.execution.metadata import Store
from pipeline.execution.progress import QuietProgress
from pipeline.execution.runner import LocalRunner, new_run
from pipeline.execution.selection import Selection
from tests.e2e.crashing import count_accesses

DAYS = [str(date(2026, 11, 1) + timedelta(days=day)) for day in range(4)]


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    directory = tmp_path_factory.mktemp("events")
    for day in DAYS:
        (directory / f"dt={day}").mkdir()
        (directory / f"dt={day}/e.csv").write_text(f"u,i\nu{day[-1]},x\nu,y\n")
    return directory


def night(events, root, day, selection=Selection()):  # noqa: B008
    """Ingestion and statistics of a window of two days."""
    source = {
        "format": "csv", "path": f"{events}/dt={{SPAN}}/e.csv", "columns": {"query_id": "u", "candidate_id": "i"},
    }  # fmt: skip
    data = ExampleGenParams.model_validate({"interactions": source, "spans": {"last": 2, "span": day}})
    pipeline = Pipeline("nightly")
    examples = pipeline.add(ExampleGen(data))["examples"]
    pipeline.add(StatisticsGen(Params()), examples=examples)
    store = Store(root, "nightly")
    run = new_run(events / "c.yaml")
    done = LocalRunner(store, InProcess(), QuietProgress()).run(pipeline, run, selection)
    outputs = {"ExampleGen": "examples", "StatisticsGen": "statistics"}
    return done, {node: digests_below(store.output(done[node], name)) for node, name in outputs.items()}


@pytest.fixture(scope="module")
def undisturbed(events, tmp_path_factory):
    """What each night comes to in a root of its own."""
    return {day: night(events, tmp_path_factory.mktemp("cold"), day)[1] for day in DAYS[1:3]}


@pytest.mark.parametrize("part", [0.15, 0.4, 0.65, 0.9])
def test_nights_killed_on_the_way_come_to_the_same(events, undisturbed, tmp_path, part):
    reader, writer = os.pipe()
    accesses = _in_child(events, tmp_path / "counted", 0, (reader, writer))
    _in_child(events, tmp_path / "killed", int(accesses * part), (reader, writer))
    for day in DAYS[1:3]:
        done, files = night(events, tmp_path / "killed", day)
        assert files == undisturbed[day]
    assert not list((tmp_path / "killed/nightly/.parts").glob("*/.*"))
    assert done["ExampleGen"].parts


def _in_child(events, root, at, pipe):
    """Runs two nights in a child, which is killed at an access to a file below the root; returns the accesses."""
    root.mkdir()
    reader, writer = pipe
    if not (child := os.fork()):
        count = count_accesses(str(root), at)
        for day in DAYS[1:3]:
            night(events, root, day)
        os.write(writer, f"{count[0]}\n".encode())
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) == bool(at)
    return 0 if at else int(os.read(reader, 100))


def test_clean_keeps_the_parts_of_kept_runs(events, tmp_path, capsys):
    for day in DAYS[1:]:
        night(events, tmp_path, day)
    store = Store(tmp_path, "nightly")
    assert len(every_part(store.directory)) == 3 * len(DAYS)  # the scan, the rows and the statistics of each day
    assert main(["clean", "nightly", "--keep-runs", "1", "--dry-run", "--root", str(tmp_path)]) == 0
    assert len(every_part(store.directory)) == 12
    assert main(["clean", "nightly", "--keep-runs", "1", "--root", str(tmp_path)]) == 0
    assert "and 6 parts that no other uses" in capsys.readouterr().out
    assert len(every_part(store.directory)) == 6
    older = night(events, tmp_path, DAYS[2])[0]["ExampleGen"]
    assert older.facts["spans"]["read"] == [DAYS[1]]


def test_a_step_that_is_executed_again_reads_all_spans(events, tmp_path):
    night(events, tmp_path, DAYS[1])
    done, _ = night(events, tmp_path, DAYS[1], Selection(use_cache=False))
    assert done["ExampleGen"].facts["spans"]["read"] == DAYS[:2]
