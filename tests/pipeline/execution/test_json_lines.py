"""With `--log-format json`, everything on the standard error stream is one object a line."""

import io
import json
import sys
from contextlib import redirect_stderr
from typing import Any

import pytest

from models.spec.progress import Advanced, Decided, Validated
from pipeline.cli import main
from pipeline.execution.json_lines import JsonProgress, JsonStream
from pipeline.execution.metadata import Step


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_each_event_is_an_object_with_run_step_and_fields() -> None:
    written = io.StringIO()
    with redirect_stderr(JsonStream(written)):
        progress = JsonProgress("shop", "run-1")
        progress.planned(["ExampleGen", "Trainer"])
        progress.step_finished(Step("ExampleGen", "cached"), {"rows": 3})
        progress.step_started("Trainer")
        progress.step_progress("training")
        for step in (1, 2):
            progress.step_progress(Advanced(step, 4, "steps"))
            progress.step_progress(Validated(1.0, step, 0.5, "ndcg@10", 0.25, 0.25, 1))
        progress.step_progress(Decided("trial 1: best", {"score": 0.5}))
        progress.warned("damaged")
        progress.step_finished(Step("Trainer", "run", seconds=1.23456), {"loss": float("inf")})
    events = objects(written.getvalue())
    assert {(event["pipeline"], event["run"]) for event in events} == {("shop", "run-1")}
    assert all(event["time"].endswith("+00:00") for event in events)
    assert [(event["step"], event["event"]) for event in events] == [
        ("", "run_started"),
        ("ExampleGen", "step_finished"),
        ("Trainer", "step_started"),
        ("Trainer", "activity"),
        ("Trainer", "validation"),
        ("Trainer", "validation"),
        ("Trainer", "decision"),
        ("Trainer", "warning"),
        ("Trainer", "step_finished"),
    ]
    assert events[5]["fields"] == {
        "epoch": 1.0,
        "step": 2,
        "loss": 0.5,
        "metric": "ndcg@10",
        "value": 0.25,
        "best": 0.25,
        "best_step": 1,
    }
    assert events[6]["fields"] == {"message": "trial 1: best", "score": 0.5}
    assert events[8]["fields"] == {"state": "run", "seconds": 1.235, "facts": {"loss": "Infinity"}}


def test_what_others_print_becomes_an_object_too() -> None:
    written = io.StringIO()
    with redirect_stderr(JsonStream(written)):
        print("warning: a record is damaged", file=sys.stderr)
        print("error: refused\nchange the configuration", file=sys.stderr)
        print('odd: "one"', file=sys.stderr)
    assert [(each["event"], each["fields"]["message"]) for each in objects(written.getvalue())] == [
        ("warning", "a record is damaged"),
        ("error", "refused\nchange the configuration"),
        ("message", 'odd: "one"'),
    ]


@pytest.mark.parametrize("verb", ["run", "tune", "refresh-index", "work"])
def test_an_error_before_the_run_is_an_object(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "nowhere.yaml", "--log-format", "json"]) == 2
    told = capsys.readouterr()
    (event,) = objects(told.err)
    assert event["event"] == "error"
    assert "nowhere.yaml" in event["fields"]["message"]
    assert told.out == ""
