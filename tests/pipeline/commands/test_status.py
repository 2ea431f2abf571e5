"""`status` prints its table whole and plain, however narrow the terminal is."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.execution.metadata import Store
from pipeline.execution.records import Run, Step
from tests.pipeline.reporting.small_run import Runs

_MESSAGE = "two anomalies:\n  interactions.user [odd] " + "x" * 300


def test_columns_are_as_wide_as_they_need_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    times: dict[str, Any] = {"started": "2026-01-01T00:00:00+00:00", "finished": "2026-01-01T00:20:00+00:00"}
    steps = [Step("RefreshEmbeddingExporter", "cached"), Step("Trainer", "refused", seconds=7.25)]
    store = Store(tmp_path, "toy")
    store.save_run(Run("1", "toy.yaml", 1, **times, state="done", steps=steps[:1]))
    store.save_run(Run("2", "toy.yaml", 1, **times, state="interrupted", message=_MESSAGE, steps=steps))
    assert main(["status", "--root", str(tmp_path)]) == 0
    first, second = _MESSAGE.split("\n")
    assert capsys.readouterr().out.splitlines() == [
        "toy",
        "  1  done         1200 s  1 of 1 steps cached",
        f"  2  interrupted  1200 s  1 of 2 steps cached  {first}",
        "    RefreshEmbeddingExporter  cached",
        "    Trainer                   refused  7.2 s",
        "",
        f"  {first}",
        f"  {second}",
    ]


def test_metric_verdict_and_version_of_each_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = Runs(tmp_path)
    runs.add("r1")
    runs.add("r2", wrote={}, state="failed", message="no disk", ended_by="ExampleGen")
    assert main(["status", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[1:3] == [
        "  r1  done    125 s  ndcg@10 0.3000  blessed  version 4  0 of 8 steps cached",
        "  r2  failed  125 s                                      0 of 8 steps cached  no disk",
    ]
    assert main(["status", "--json", "--root", str(tmp_path)]) == 0
    first, second = json.loads(capsys.readouterr().out)["toy"]
    assert first["metrics"]["ndcg@10"] == {"value": 0.3, "interval": [0.25, 0.35]}
    assert (first["blessed"], first["version"]) == (True, 4)
    assert (second["metrics"], second["blessed"], second["version"]) == ({}, None, None)


def test_the_span_of_each_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = Runs(tmp_path)
    runs.add("r1")
    runs.add("r2", settings={"data": {"spans": {"span": "2026-11-21"}}})
    assert main(["status", "--root", str(tmp_path)]) == 0
    first, second = capsys.readouterr().out.splitlines()[1:3]
    assert "span" not in first
    assert "version 4  span 2026-11-21  0 of 8 steps cached" in second


def test_the_step_at_work_is_running_as_long_as_its_run_lives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def shown() -> tuple[list[str], list[str]]:
        assert main(["status", "--root", str(tmp_path)]) == 0
        text = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()[2:]]
        assert main(["status", "--json", "--root", str(tmp_path)]) == 0
        return text, [step["state"] for step in json.loads(capsys.readouterr().out)["toy"][0]["steps"]]

    store = Store(tmp_path, "toy")
    steps = [Step("ExampleGen", "cached"), Step("Trainer"), Step("Pusher")]
    store.save_run(Run("1", "toy.yaml", os.getpid(), steps=steps))
    with store.lock():
        assert shown() == (
            ["ExampleGen cached", "Trainer running", "Pusher waiting"],
            ["cached", "running", "waiting"],
        )
    assert shown() == (
        ["ExampleGen cached", "Trainer waiting", "Pusher waiting"],
        ["cached", "waiting", "waiting"],
    ), "its process is gone"
