import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components.base import Params
from dataplane.beam_runner import InProcess
from dataplane.errors import ConfigError, DataError, InUseError, RunError
from pipeline.execution.dag import Pipeline
from pipeline.execution.metadata import Run, Store
from pipeline.execution.progress import PlainProgress
from pipeline.execution.runner import LocalRunner, internal_error, new_run
from pipeline.execution.selection import Selection
from tests.paths import PROJECT
from tests.pipeline.toy_components import Add, AddParams, Finish, Source, SourceParams


def make_pipeline(*, number=1, amount=1, crash=None):
    pipeline = Pipeline("toy")
    source = pipeline.add(Source(SourceParams(number=number)))
    add = pipeline.add(Add(AddParams(amount=amount, crash=crash)), examples=source["examples"])
    pipeline.add(Finish(Params()), statistics=add["statistics"])
    return pipeline


class Session:
    def __init__(self, root):
        self.store = Store(root, "toy")

    def run(self, pipeline=None, **selection):
        run = new_run(Path("toy.yaml"))
        runner = LocalRunner(self.store, InProcess(), PlainProgress("toy"))
        self.executions = runner.run(pipeline or make_pipeline(), run, Selection(**selection))
        return {step.node: step.state for step in run.steps}

    def result(self):
        return (self.store.output(self.executions["Finish"], "model") / "number.json").read_text().strip()


@pytest.fixture
def session(tmp_path):
    return Session(tmp_path)


def test_runs_in_order_and_then_takes_all_from_the_cache(session):
    assert session.run() == {"Source": "run", "Add": "run", "Finish": "run"}
    assert session.result() == "2"
    assert session.run() == {"Source": "cached", "Add": "cached", "Finish": "cached"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"number": 5}, {"Source": "run", "Add": "run", "Finish": "run"}),
        ({"amount": 5}, {"Source": "cached", "Add": "run", "Finish": "run"}),
    ],
)
def test_a_change_executes_what_depends_on_it_and_no_more(session, change, expected):
    session.run()
    assert session.run(make_pipeline(**change)) == expected
    assert session.result() == "6"
    assert session.run()["Finish"] == "cached"
    assert session.result() == "2"


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({"use_cache": False}, {"Source": "run", "Add": "run", "Finish": "run"}),
        ({"start": "Add"}, {"Source": "cached", "Add": "run", "Finish": "run"}),
        ({"only": "Add"}, {"Source": "cached", "Add": "run"}),
    ],
)
def test_selection_executes_despite_the_cache(session, selection, expected):
    session.run()
    assert session.run(**selection) == expected


def test_only_needs_what_comes_before(session):
    with pytest.raises(RunError, match="Source is not in the cache"):
        session.run(only="Add")


def test_until_runs_what_a_step_needs_and_the_next_run_goes_on_from_there(session):
    assert session.run(until="Add") == {"Source": "run", "Add": "run"}
    assert session.run(until="Add", start="Add") == {"Source": "cached", "Add": "run"}
    assert session.run() == {"Source": "cached", "Add": "cached", "Finish": "run"}


@pytest.mark.parametrize("option", ["start", "only", "until"])
def test_unknown_steps_are_refused_with_the_known_ones(session, option):
    with pytest.raises(ConfigError, match="Trainer: no such step; steps are Source, Add, Finish"):
        session.run(**{option: "Trainer"})


def test_a_failed_step_leaves_nothing_that_counts_and_the_next_run_continues(session, tmp_path):
    crash = tmp_path / "crash"
    crash.write_text("nothing to learn from")
    with pytest.raises(DataError, match="nothing to learn"):
        session.run(make_pipeline(crash=crash))
    failed = session.store.runs()[-1]
    assert failed.state == "failed"
    assert [step.state for step in failed.steps] == ["run", "failed", "waiting"]
    assert session.store.executions("Add") == []
    crash.unlink()
    assert session.run(make_pipeline(crash=crash)) == {"Source": "cached", "Add": "run", "Finish": "run"}
    assert len(list((session.store.directory / "Add").iterdir())) == 1, "the failed execution is gone"


def test_an_interruption_is_a_state_and_no_message(session, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Source, "_write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        session.run()
    assert [(run.state, run.message) for run in session.store.runs()] == [("interrupted", "")]


@pytest.mark.parametrize("damage", ["removed", "cut"])
def test_a_step_whose_files_were_lost_is_executed_again(session, damage):
    session.run()
    file = session.store.output(session.executions["Finish"], "model") / "number.json"
    file.unlink() if damage == "removed" else file.write_text("")
    assert session.run() == {"Source": "cached", "Add": "cached", "Finish": "run"}
    assert session.result() == "2"
    assert session.run() == {"Source": "cached", "Add": "cached", "Finish": "cached"}


def test_what_a_killed_step_left_behind_is_removed_even_if_it_need_not_run_again(session):
    session.run()
    rest = session.store.execution_directory("Add", "20250101T000000.000000Z-dead") / "model"
    rest.mkdir(parents=True)
    session.run()
    assert not rest.parent.exists()


def test_a_full_disk_is_no_internal_error(session, tmp_path):
    crash = tmp_path / "crash"
    crash.write_text("the disk is full")
    with pytest.raises(RunError, match=r"the disk is full.* MiB are free in") as error:
        session.run(make_pipeline(crash=crash))
    assert session.store.executions("Add") == []
    told = re.search(r"([\d,]+) MiB", str(error.value))
    assert told is not None
    assert int(told[1].replace(",", "")) == pytest.approx(shutil.disk_usage(tmp_path).free / 2**20, rel=0.5)


def test_a_full_disk_is_told_though_the_directory_is_gone(session, tmp_path, monkeypatch):
    def gone(path: Path) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    crash = tmp_path / "crash"
    crash.write_text("the disk is full")
    monkeypatch.setattr(shutil, "disk_usage", gone)
    with pytest.raises(RunError, match=r"the disk is full.*: No such file or directory\)"):
        session.run(make_pipeline(crash=crash))


def test_what_others_can_reach_of_the_beam_runner_is_told(tmp_path):
    class Exposed(InProcess):
        def exposure(self) -> str:
            return "port 8099 is open to the network"

    told: list[str] = []
    runner = LocalRunner(Store(tmp_path, "toy", told.append), Exposed(), PlainProgress("toy"))
    runner.run(make_pipeline(), new_run(Path("toy.yaml")), Selection())
    assert told == ["port 8099 is open to the network"]


def test_an_internal_error_names_the_line_that_raised_it():
    with pytest.raises(ValueError, match="Expecting value") as error:
        json.loads("")
    assert re.fullmatch(r"JSONDecodeError: Expecting value: .* \(decoder\.py:\d+\)", internal_error(error.value))


def test_a_record_that_cannot_be_written_either_does_not_hide_what_went_wrong(session, tmp_path, monkeypatch):
    crash, save = tmp_path / "crash", session.store.save_run
    crash.write_text("the disk is full")

    def full(run: Run) -> None:
        if any(step.state == "failed" for step in run.steps):
            raise OSError(28, "No space left on device")
        save(run)

    monkeypatch.setattr(session.store, "save_run", full)
    with pytest.raises(RunError, match=r"the disk is full.* MiB are free in"):
        session.run(make_pipeline(crash=crash))
    assert session.store.runs()[-1].state == "interrupted"


def test_an_error_of_tensorflow_about_a_full_disk_is_no_internal_error(session, monkeypatch):
    class ResourceExhaustedError(Exception):
        """Like TensorFlow's, no OSError."""

    def full(*arguments: object) -> None:
        raise ResourceExhaustedError("{{function_node}} /x/step-62; No space left on device [Op:SaveV2]")

    monkeypatch.setattr(Add, "execute", full)
    with pytest.raises(RunError, match=r"/x/step-62; No space left on device .* MiB are free in"):
        session.run()


def test_killed_and_run_again_gives_the_same(session, tmp_path):
    crash = tmp_path / "crash"
    crash.touch()
    script = f"""
from pathlib import Path
from tests.pipeline.execution.test_runner import Session, make_pipeline
Session(Path({str(tmp_path)!r})).run(make_pipeline(crash=Path({str(crash)!r})))
"""
    killed = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True)
    assert killed.returncode == -9
    assert session.store.runs()[-1].state == "interrupted"
    assert session.store.executions("Add") == []
    crash.unlink()
    assert session.run(make_pipeline(crash=crash)) == {"Source": "cached", "Add": "run", "Finish": "run"}
    assert session.result() == "2"
    resumed = session.store.output(session.executions["Add"], "statistics") / "resumed.json"
    assert resumed.read_text().strip() == "true", "it finds what the killed one had left for it"
    assert not (session.store.directory / ".resume" / "Add").exists()


def test_one_runner_at_a_time(session, tmp_path):
    with session.store.lock(), pytest.raises(InUseError, match=r"is in use by process \d+; wait for it to end$"):
        session.run()


def test_scratch_files_do_not_stay(session):
    session.run()
    directory = session.store.execution_directory("Finish", session.executions["Finish"].id)
    assert {path.name for path in directory.iterdir()} == {"manifest.json", "model"}


def test_lineage_names_the_executions_read(session):
    session.run()
    add = session.executions["Add"]
    assert add.inputs == {"examples": f"Source/{session.executions['Source'].id}/examples"}


def test_a_running_record_without_its_process_was_interrupted(session):
    session.store.save_run(Run(id="1", config="toy.yaml", pid=1))
    assert session.store.runs()[-1].state == "interrupted"


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_stopped_from_outside_says_how_to_continue(tmp_path, stop):
    config = PROJECT / "tfx_config" / "quickstart.yaml"
    command = [sys.executable, "-m", "pipeline", "run", str(config), "--root", str(tmp_path)]
    process = subprocess.Popen(
        command,
        cwd=config.parents[1],
        stderr=subprocess.PIPE,
        text=True,
        # As in a terminal: whoever runs the tests in the background has children that ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert "ExampleGen: started" in process.stderr.readline()
    process.send_signal(stop)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 3
    assert "error: interrupted\nFinished work is kept; the same command continues: python -m pipeline run" in told
    assert "Traceback" not in told
    assert Store(tmp_path, "quickstart").runs()[-1].finished
