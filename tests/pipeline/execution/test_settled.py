"""Inputs that a step reads again when it is repeated, although others would be chosen today."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.base import Component, ExecutionContext, Params
from dataplane.artifacts import Model, Statistics
from dataplane.errors import DataError, RefusedError
from pipeline.execution.dag import OutputRef, Pipeline
from pipeline.execution.metadata import Execution
from pipeline.execution.retention import retention
from pipeline.execution.settled import given_as
from pipeline.provenance.explanation import explain
from pipeline.provenance.rebuilding import rebuild
from tests.pipeline.execution.test_runner import Session as ToySession
from tests.pipeline.toy_components import Add, AddParams, Finish, Source, SourceParams

ERRORS: Mapping[str, type[Exception]] = {"failed": DataError, "refused": RefusedError}


class TrainParams(Params):
    file: Path | None = None
    """Ends with the error that the file names."""


class Train(Finish):
    """Takes a number on, plus that of the model it starts from."""

    @dataclass(frozen=True)
    class Inputs:
        statistics: Statistics
        base: Model | None = None

    def execute(self, inputs, outputs, context: ExecutionContext):
        if self.params.file is not None and self.params.file.exists():
            raise ERRORS[self.params.file.read_text()]("on purpose")
        before = 0 if inputs.base is None else inputs.base.read_json("number.json")
        outputs.model.write_json("number.json", before + inputs.statistics.read_json("number.json"))
        return {}


class Session(ToySession):
    """Nights whose training starts from the model of an earlier one."""

    def night(self, *, amount: int = 1, base: Execution | None = None, file: Path | None = None) -> Execution:
        pipeline, given = Pipeline("toy"), {}
        source = pipeline.add(Source(SourceParams()))
        add = pipeline.add(Add(AddParams(amount=amount)), examples=source["examples"])
        read = None
        if base is not None:
            given[given_as(base)] = base
            read = pipeline.given(given_as(base), "model", Model)
        train = Train(TrainParams(file=file))
        pipeline.add(train, statistics=add["statistics"], settled=("base",), base=read)
        self.run_with(pipeline, given)
        return self.executions["Train"]

    def run_with(self, pipeline: Pipeline, given: Mapping[str, Execution]) -> None:
        from dataplane.beam_runner import InProcess
        from pipeline.execution.progress import PlainProgress
        from pipeline.execution.runner import LocalRunner, new_run
        from pipeline.execution.selection import Selection

        self.record = new_run(Path("toy.yaml"))
        runner = LocalRunner(self.store, InProcess(), PlainProgress("toy"))
        self.executions = runner.run(pipeline, self.record, Selection(), given)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path / "root")


def number(session: Session, execution: Execution) -> int:
    return int((session.store.output(execution, "model") / "number.json").read_text())


def test_a_repeated_night_stays_with_its_start_although_its_own_model_is_published_now(session: Session) -> None:
    cold = session.night()
    assert session.night(base=cold).id == cold.id
    warm = session.night(amount=5, base=cold)
    assert warm.inputs["base"] == f"Train/{cold.id}/model"
    assert number(session, warm) == 2 + 6
    assert session.night(amount=5, base=warm).id == warm.id
    assert session.night(amount=5).id == warm.id
    assert explain(session.store, session.store.runs()[2], "Train").reason == "new key"


@pytest.mark.parametrize(("end", "same"), [("failed", True), ("refused", False)])
def test_a_night_that_failed_is_continued_from_where_it_started(
    session: Session, tmp_path: Path, end: str, same: bool
) -> None:
    first, file = session.night(), tmp_path / "end"
    second = session.night(amount=2, base=first)
    file.write_text(end)
    with pytest.raises(ERRORS[end]):
        session.night(amount=9, base=first, file=file)
    file.unlink()
    continued = session.night(amount=9, base=second, file=file)
    assert continued.inputs["base"] == f"Train/{(first if same else second).id}/model"


def test_the_base_is_known_before_the_work_begins(session: Session, tmp_path: Path) -> None:
    first = session.night()
    seen: list[str] = []

    class Watching(Train):
        def execute(self, inputs, outputs, context: ExecutionContext):
            seen.extend(step.unfinished.inputs["base"] for step in session.store.runs()[-1].steps if step.unfinished)
            return super().execute(inputs, outputs, context)

    pipeline = Pipeline("toy")
    source = pipeline.add(Source(SourceParams()))
    add = pipeline.add(Add(AddParams(amount=3)), examples=source["examples"])
    base = pipeline.given(given_as(first), "model", Model)
    pipeline.add(Watching(TrainParams()), statistics=add["statistics"], settled=("base",), base=base)
    session.run_with(pipeline, {given_as(first): first})
    assert seen == [f"Train/{first.id}/model"]


def test_a_base_that_is_gone_is_told(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    first = session.night()
    warm = session.night(amount=2, base=first)
    session.store.withdraw("Train", first.id)
    assert session.night(amount=2).id != warm.id
    assert f"Train/{warm.id} cannot be continued or reused: its base is gone" in capsys.readouterr().err


def test_clean_keeps_the_base_of_a_kept_run_and_not_what_that_was_made_of(session: Session) -> None:
    nights = [session.night()]
    for amount in (2, 3, 4):
        nights.append(session.night(amount=amount, base=nights[-1]))
    gone = {(it.node, it.id) for it in retention(session.store, keep_runs=1).unneeded}
    assert {it.id for it in nights if ("Train", it.id) not in gone} == {nights[-1].id, nights[-2].id}
    assert len([1 for node, _ in gone if node == "Add"]) == 3


def test_a_warm_night_is_rebuilt_with_its_base(session: Session) -> None:
    first = session.night()
    warm = session.night(amount=2, base=first)

    def make(execution: Execution) -> Component[Any, Any, Any]:
        kinds = {"Source": Source(SourceParams()), "Add": Add(AddParams(amount=2)), "Train": Train(TrainParams())}
        return kinds[execution.node]

    rebuilt = rebuild(session.store, session.store.runs()[-1], make)
    assert rebuilt.given == {given_as(first): first}
    train = next(node for node in rebuilt.pipeline.nodes if node.id == "Train")
    assert train.inputs["base"] == OutputRef(given_as(first), "model")
    assert rebuilt.recorded["Train"].id == warm.id
