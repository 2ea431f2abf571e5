"""With which data a night is compared, and how long anomalies stay accepted."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.base import Component, ExecutionContext, NoInputs, Params
from components.example_validator import ExampleValidator, ExampleValidatorParams
from components.schema_gen import SchemaGen, SchemaGenParams
from dataplane.artifacts import Anomalies, PushedModel, Schema, Statistics, TransformedExamples
from dataplane.artifacts.pushed_model import Push
from dataplane.beam_runner import InProcess
from dataplane.errors import RefusedError
from pipeline.execution.dag import Pipeline
from pipeline.execution.earlier_data import EarlierRuns
from pipeline.execution.metadata import Execution, Run, Store
from pipeline.execution.progress import PlainProgress
from pipeline.execution.runner import LocalRunner, new_run
from pipeline.execution.selection import Selection
from pipeline.provenance.rebuilding import Remake

NEWEST = datetime(2026, 11, 29, tzinfo=UTC)
IDS = {"type": "string", "missing": 0, "distinct": 10}


class DayParams(Params):
    rows: int


class Day(Component["NoInputs", "Day.Outputs", DayParams]):
    """Stands for what comes before the statistics of a day."""

    Inputs = NoInputs

    @dataclass(frozen=True)
    class Outputs:
        statistics: Statistics

    def execute(self, inputs: NoInputs, outputs: Any, context: ExecutionContext) -> Mapping[str, Any]:
        rows = self.params.rows
        events = {
            "queries": 10, "candidates": 10, "pairs": rows, "density": 1.0, "repeat_fraction": 0.0,
            "single_event_query_fraction": 0.0, "events_per_query": {}, "events_per_candidate": {}, "exact": True,
            "last": NEWEST.isoformat(),
        }  # fmt: skip
        columns = {name: IDS | {"elements": rows} for name in ("query_id", "candidate_id")}
        outputs.statistics.write_json(
            "statistics.json", {"interactions": {"rows": rows, "columns": columns, "events": events}}
        )
        return {}


class Trained(Component["Trained.Inputs", "Trained.Outputs", Params]):
    """Stands for what follows the schema."""

    @dataclass(frozen=True)
    class Inputs:
        schema: Schema

    @dataclass(frozen=True)
    class Outputs:
        transformed_examples: TransformedExamples

    def execute(self, inputs: Any, outputs: Any, context: ExecutionContext) -> Mapping[str, Any]:
        return {}


class Pushed(Component["Pushed.Inputs", "Pushed.Outputs", Params]):
    """Stands for the Pusher."""

    @dataclass(frozen=True)
    class Inputs:
        transformed_examples: TransformedExamples

    @dataclass(frozen=True)
    class Outputs:
        pushed_model: PushedModel

    def execute(self, inputs: Any, outputs: Any, context: ExecutionContext) -> Mapping[str, Any]:
        Push(version=1, exact="/e", scann="/s", new=True).write(outputs.pushed_model)
        return {}


class Nights:
    """Runs of days with so many rows, at a time that can be set."""

    def __init__(self, root: Path) -> None:
        self.root, self.store = root, Store(root, "toy")
        self.now = NEWEST

    def run(
        self, rows: int, *, accepted: str = "", publish: bool = True, hours: float | None = None, again: bool = False
    ) -> tuple[str, Execution]:
        pipeline, earlier = Pipeline("toy"), EarlierRuns(self.root, "toy")
        earlier.now = lambda: self.now  # type: ignore[method-assign]
        statistics = pipeline.add(Day(DayParams(rows=rows)), node_id="StatisticsGen")["statistics"]
        schema = pipeline.add(SchemaGen(SchemaGenParams()), statistics=statistics)["schema"]
        params = ExampleValidatorParams.model_validate({"changes": {"freshness": {"max_hours": hours}}})
        gate = ExampleValidator(params, earlier, accepted=accepted)
        node = pipeline.add(gate, statistics=statistics, schema=schema)
        if publish:
            trained = pipeline.add(Trained(Params()), node_id="Transform", schema=schema, after=[node])
            pipeline.add(Pushed(Params()), node_id="Pusher", transformed_examples=trained["transformed_examples"])
        run = new_run(Path("toy.yaml"))
        runner = LocalRunner(self.store, InProcess(), PlainProgress("toy"))
        executions = runner.run(pipeline, run, Selection(use_cache=not again))
        return next(it.state for it in run.steps if it.node == "ExampleValidator"), executions["ExampleValidator"]


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path)


def test_a_night_is_compared_with_the_last_accepted_one(nights: Nights) -> None:
    _, first = nights.run(100)
    assert "compared" not in first.facts
    with pytest.raises(RefusedError, match=r"interactions: 40 rows are 0.4 times 100; allowed: 0.5 .*, against the"):
        nights.run(40)
    _, second = nights.run(120, publish=False)
    assert second.facts["compared"] == {"accepted": first.inputs["statistics"].rpartition("/")[0]}, "not the refused"
    _, third = nights.run(190, publish=False)
    assert list(third.facts["compared"]) == ["accepted", "published"]
    assert third.facts["compared"]["published"] == second.facts["compared"]["accepted"], "the second was not published"


def test_equal_data_are_named_once(nights: Nights) -> None:
    nights.run(100)
    nights.run(100, publish=False, again=True)
    assert list(nights.run(110, publish=False)[1].facts["compared"]) == ["accepted"]


def test_slow_growth_is_seen_against_the_published_data(nights: Nights) -> None:
    nights.run(100)
    nights.run(180, publish=False)
    with pytest.raises(RefusedError, match=r"300 rows are 3 times 100; .*, against the published model's data"):
        nights.run(300, publish=False)


def test_a_run_without_new_data_finds_its_step_in_the_cache(nights: Nights) -> None:
    for rows in (100, 150, 100):
        assert [nights.run(rows)[0] for _ in range(3)] == ["run", "cached", "cached"]


def test_what_was_accepted_stays_accepted_and_is_recorded(nights: Nights) -> None:
    nights.run(100)
    _, accepted = nights.run(40, accepted="a public holiday")
    assert accepted.facts["accepted"] == "a public holiday"
    assert accepted.facts["notes"][0] == "anomalies were accepted: a public holiday"
    assert nights.run(40)[0] == "cached"
    assert "accepted" not in nights.run(60, accepted="not needed")[1].facts, "it is compared with the accepted data"


def test_old_data_are_refused_although_nothing_else_changed(nights: Nights) -> None:
    assert nights.run(100, hours=48)[0] == "run"
    nights.now = NEWEST + timedelta(hours=47)
    assert nights.run(100, hours=48)[0] == "cached"
    nights.now = NEWEST + timedelta(hours=49)
    with pytest.raises(RefusedError, match=r"the newest event is of 2026-11-29T00.*; its age may be 48 hours"):
        nights.run(100, hours=48)
    assert nights.run(100, hours=48, accepted="the source is closed")[0] == "run"
    nights.now = NEWEST + timedelta(hours=99)
    assert nights.run(100, hours=48)[0] == "cached"


def test_damaged_and_missing_statistics_are_left_out(nights: Nights) -> None:
    _, first = nights.run(100)
    (nights.store.directory / first.inputs["statistics"] / "statistics.json").write_text("{")
    assert "compared" not in nights.run(10)[1].facts


def test_a_reproduction_compares_with_the_same_data(nights: Nights, tmp_path: Path) -> None:
    nights.run(100)
    _, accepted = nights.run(40, accepted="a public holiday", hours=48)
    nights.run(50)
    gate = Remake(nights.store, Run("r", "/toy.yaml", 1))(accepted)
    assert isinstance(gate, ExampleValidator)
    inputs = {name: nights.store.input(accepted, name) for name in accepted.inputs}
    again = tmp_path / "again"
    again.mkdir()
    given = gate.Inputs(Statistics(inputs["statistics"]), Schema(inputs["schema"]))
    facts = gate.execute(given, gate.Outputs(Anomalies(again)), ExecutionContext())
    assert facts == accepted.facts
    recorded = nights.store.output(accepted, "anomalies")
    assert {file.name: file.read_bytes() for file in again.iterdir()} == {
        file.name: file.read_bytes() for file in recorded.iterdir()
    }
