"""Explanations in words and as JSON: reasons, what was first, what is not recorded."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.execution.records import DAMAGED, FORCED, NEW_KEY, OUTDATED, REASONS, RENEWED, Step
from pipeline.provenance.changes import Change
from tests.pipeline.provenance.world import TOYS, World
from tests.pipeline.toy_components import Add


def test_parameters_are_shown_with_both_values(world: World) -> None:
    world.amount = 5
    world.run()
    assert world.explain("Add").comparison.changes == (Change("parameter", "amount", "changed", 1, 5),)


def test_changed_inputs_are_followed_to_what_changed_first(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.data.write_text("4")
    world.run()
    explanation = world.explain("Finish")
    assert [(it.node, [change.kind for change in it.changes]) for it in explanation.upstream] == [
        ("Add", ["input"]),
        ("Source", ["source"]),
    ]
    (change,) = explanation.comparison.changes
    assert change.before.address != change.after.address
    assert change.before.digest != change.after.digest
    assert main(["explain", "Finish", "--root", world.root]) == 0
    told = capsys.readouterr().out
    assert REASONS[NEW_KEY] in told
    assert f"content {change.before.digest[:12]} → {change.after.digest[:12]}" in told
    assert "source  number  changed" in told


def test_an_input_of_equal_content_is_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.append(TOYS, "\nADDED = 1\n")
    world.run()
    assert main(["explain", "toy/Finish", "--root", world.root]) == 0
    assert "equal content" in capsys.readouterr().out


def test_a_first_execution_is_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "Add", "--root", world.root]) == 0
    assert "first execution; no earlier one is recorded" in capsys.readouterr().out


def damage(world: World) -> dict[str, Any]:
    (world.session.store.output(world.session.executions["Add"], "statistics") / "number.json").unlink()
    return {}


def force(world: World) -> dict[str, Any]:
    return {"start": "Add"}


@pytest.mark.parametrize(("prepare", "reason"), [(damage, DAMAGED), (force, FORCED)])
def test_an_execution_with_an_equal_key_has_its_reason(
    world: World, capsys: pytest.CaptureFixture[str], prepare: Callable[[World], dict[str, Any]], reason: str
) -> None:
    world.run(**prepare(world))
    explanation = world.explain("Add")
    assert (explanation.reason, explanation.comparison.changes) == (reason, ())
    assert main(["explain", "Add", "--root", world.root]) == 0
    told = capsys.readouterr().out
    assert REASONS[reason] in told
    assert "no ingredient differs" in told


def test_a_result_that_no_longer_fits_what_is_published_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Add, "is_current", lambda self, outputs: False)
    world.run()
    assert world.explain("Add").reason == OUTDATED


def test_an_input_that_was_made_again_with_other_content_is_told(world: World) -> None:
    source = world.session.executions["Source"]
    world.session.store.commit(replace(source, digests={}))
    number = world.session.store.output(source, "examples") / "number.json"
    number.write_text("9\n")
    manifest = number.parents[1] / "manifest.json"
    record = json.loads(manifest.read_text())
    record["digests"]["examples/number.json"] = "0" * 32
    manifest.write_text(json.dumps(record))
    world.run()
    assert world.explain("Source").reason == DAMAGED
    assert world.explain("Add").reason == RENEWED


def test_a_failed_step_is_compared_like_a_finished_one(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("broken")

    world.amount = 5
    with monkeypatch.context() as patched:
        patched.setattr(Add, "execute", fail)
        with pytest.raises(ValueError, match="broken"):
            world.run()
    explanation = world.explain("Add")
    assert (explanation.step.state, explanation.reason) == ("failed", NEW_KEY)
    assert explanation.comparison.changes == (Change("parameter", "amount", "changed", 1, 5),)
    for node, told in (("Add", f"(failed): {REASONS[NEW_KEY]}\n"), ("Finish", "was not reached")):
        assert main(["explain", node, "--root", world.root]) == 0
        assert told in capsys.readouterr().out
    world.run()
    record = json.loads((world.session.store.directory / "runs" / f"{explanation.run.id}.json").read_text())
    assert record["steps"][1]["unfinished"]["params"]["amount"] == 5
    assert "unfinished" not in record["steps"][0]
    assert world.explain("Add").step.unfinished is None


def test_a_failed_step_of_an_older_release_says_that_nothing_was_recorded(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    run = world.session.store.runs()[-1]
    run.steps[1] = Step("Add", "failed", "20260101T000000.000000Z-0000")
    world.session.store.save_run(run)
    assert main(["explain", "Add", "--root", world.root]) == 0
    assert "(failed); what it was executed with is not recorded" in capsys.readouterr().out


def test_records_of_an_older_release_are_compared_as_far_as_they_go(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.append(TOYS, "\nADDED = 1\n")
    world.run()
    for manifest in world.session.store.directory.glob("*/*/manifest.json"):
        record = json.loads(manifest.read_text())
        del record["code"], record["external"]
        manifest.write_text(json.dumps(record))
    assert main(["explain", "Source", "--root", world.root]) == 0
    told = capsys.readouterr().out
    assert "nothing that both records hold differs, so code or a source does" in told
    assert f"Source/{world.session.executions['Source'].id}" in told


def test_json_has_the_same_content(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.data.write_text("4")
    world.amount = 5
    world.run()
    assert main(["explain", "Add", "--json", "--root", world.root]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["step"], found["state"], found["reason"]) == ("Add", "run", NEW_KEY)
    assert [change["kind"] for change in found["comparison"]["changes"]] == ["input", "parameter"]
    assert found["comparison"]["changes"][1]["after"] == 5
    assert found["upstream"][0]["step"] == "Source"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["Trainer"], "has no step 'Trainer'; its steps are Source, Add, Finish"),
        (["Add", "20200101"], "no run '20200101'"),
        (["other/Add"], "no pipeline 'other'"),
    ],
)
def test_unknown_names_are_refused_with_the_known_ones(
    world: World, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert main(["explain", *arguments, "--root", world.root]) == 2
    assert told in capsys.readouterr().err
