"""Who is told of a run's end, of what, and that a lost message changes nothing."""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dataplane.errors import InUseError, RefusedError, RunError
from pipeline.config.config import load_config
from pipeline.ending import ended
from pipeline.execution.metadata import Run
from pipeline.execution.progress import PlainProgress
from pipeline.execution.session import Session
from pipeline.notifying import delivery
from pipeline.notifying.notified import notified
from tests.paths import PROJECT
from tests.pipeline.notifying.receiver import receiver
from tests.pipeline.reporting.small_run import Runs, documents

SAVING = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())"


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_FIRST_WAIT", 0.01)


def session(runs: Runs, run: Run, settings: Sequence[str], warnings: list[str]) -> Session:
    runs.store._tell = warnings.append
    config = load_config(PROJECT / "tfx_config" / "quickstart.yaml", settings)
    return Session(config, runs.store, run, PlainProgress("toy"))


def told(runs: Runs, run: Run, settings: Sequence[str], error: Exception | None = None) -> list[str]:
    """Ends a run; returns the warnings."""
    warnings: list[str] = []
    opened = session(runs, run, settings, warnings)
    if error is None:
        with notified(opened):
            pass
        return warnings
    with pytest.raises(type(error), match=f"^{error}$"), notified(opened):
        raise error
    return warnings


def test_a_published_version_is_told_with_its_metric_and_report(tmp_path: Path) -> None:
    runs, warnings = Runs(tmp_path), list[str]()
    run = runs.add("r1")
    with receiver() as got, ended(session(runs, run, [f"notify.webhook={got.address}"], warnings)):
        pass
    (body,) = got.bodies
    assert body.pop("text") == "toy: published: Published as version 4"
    assert body == {
        "schema_version": 1,
        "pipeline": "toy",
        "run": "r1",
        "outcome": "published",
        "step": None,
        "reason": "Published as version 4",
        "version": 4,
        "metric": {"name": "ndcg@10", "value": 0.3},
        "report": str(runs.store.report_file(run)),
        "started": run.started,
        "finished": run.finished,
    }
    assert Path(body["report"]).is_file()
    assert warnings == []


def test_a_refusal_says_which_gate_and_why_without_credentials(tmp_path: Path, monkeypatch: Any) -> None:
    runs = Runs(tmp_path)
    run = runs.add("r1", state="refused", message="s3://KEY:HUSH@bucket has 3 anomalies", ended_by="ExampleValidator")
    with receiver() as got:
        monkeypatch.setenv("NIGHT_URL", got.address)
        assert told(runs, run, ["notify.webhook=$NIGHT_URL"], RefusedError("3 anomalies")) == []
    (body,) = got.bodies
    assert (body["outcome"], body["step"], body["version"]) == ("refused", "ExampleValidator", None)
    assert body["reason"] == "s3://***@bucket has 3 anomalies"
    assert body["text"] == "toy: refused by ExampleValidator: s3://***@bucket has 3 anomalies"
    assert got.paths == ["/services/HUSH"]


def test_a_run_that_could_not_begin_has_failed(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    run = runs.add("r1", wrote={})
    run.finished, run.steps = "", []
    with receiver() as got:
        told(runs, run, [f"notify.webhook={got.address}"], InUseError("wait for process 7"))
    (body,) = got.bodies
    assert (body["outcome"], body["reason"], body["report"]) == ("failed", "wait for process 7", None)


def test_a_command_gets_the_same_on_its_standard_input(tmp_path: Path) -> None:
    runs, file = Runs(tmp_path), tmp_path / "got $(touch x).json"
    run = runs.add("r1")
    command = json.dumps([sys.executable, "-c", SAVING, str(file)])
    assert told(runs, run, [f"notify.command={command}"]) == []
    assert json.loads(file.read_text())["outcome"] == "published"


@pytest.mark.parametrize(
    ("on", "new", "error"),
    [
        ("[refused, failed]", True, None),
        ("[refused, failed, published]", False, None),
        ("[failed, published]", True, RefusedError("no")),
        ("[refused, published]", True, RunError("no")),
    ],
)
def test_nobody_is_told_of_other_outcomes(on: str, new: bool, error: Exception | None, tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    pushed = documents()[("Pusher", "pushed_model")][0].model_copy(update={"new": new})
    run = runs.add("r1", wrote=documents() | {("Pusher", "pushed_model"): [pushed]})
    with receiver() as got:
        assert told(runs, run, [f"notify.webhook={got.address}", f"notify.on={on}"], error) == []
    assert got.bodies == []


def test_an_interrupted_run_ends_without_delay(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    warnings: list[str] = []
    opened = session(runs, runs.add("r1"), ["notify.webhook=http://127.0.0.1:9/HUSH"], warnings)
    with pytest.raises(KeyboardInterrupt), notified(opened):
        raise KeyboardInterrupt
    assert warnings == []


@pytest.mark.parametrize(
    ("answers", "requests", "reason"),
    [
        ((503, 429, 200), 3, ""),
        ((404,), 1, "the answer was 404 Not Found"),
        ((302,), 1, "the answer was 302 Found"),
        ((500,), None, "the answer was 500 Internal Server Error"),
    ],
)
def test_attempts_are_repeated_where_that_may_help(
    answers: Sequence[int], requests: int | None, reason: str, tmp_path: Path
) -> None:
    runs = Runs(tmp_path)
    with receiver(answers) as got:
        warnings = told(runs, runs.add("r1"), [f"notify.webhook={got.address}", "notify.max_seconds=0.5"])
        host = got.address.removesuffix("/services/HUSH")
    assert len(got.bodies) == requests if requests else len(got.bodies) > 2
    assert warnings == ([f"{host}/*** was not notified of the run's end: {reason}"] if reason else [])


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("notify.webhook=http://127.0.0.1:9/HUSH", r"http://127.0.0.1:9/\*\*\* was not .*: Connection refused"),
        ("notify.webhook=$NIGHT_URL", r"\$NIGHT_URL was not .*: the environment variable NIGHT_URL is not set"),
        ("notify.command=[/no/such/program]", "/no/such/program was not .*: No such file or directory"),
        ("notify.command=[sh, -c, 'echo no mail >&2; exit 4']", "sh was not .*: its exit code was 4: no mail"),
        ("notify.command=[sleep, '60']", "sleep was not .*: it had not ended after 0 s"),
    ],
)
def test_a_lost_message_is_a_warning_that_names_no_secret(
    setting: str, reason: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    runs = Runs(tmp_path)
    (warning,) = told(runs, runs.add("r1"), [setting, "notify.max_seconds=0.3"])
    assert re.search(reason, warning), warning
    assert "HUSH" not in warning + "".join(capfd.readouterr())
