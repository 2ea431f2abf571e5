"""However a session ends early, there is one line that says why, and the command that continues."""

import errno
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dataplane.errors import DataError, DivergedError, InternalError, InUseError, RefusedError, RunError
from models.spec.progress import Decided
from pipeline.config.config import PipelineConfig, load_config
from pipeline.execution.dag import Pipeline
from pipeline.execution.display import Display
from pipeline.execution.metadata import Store
from pipeline.execution.session import open_session
from tests.pipeline.toy_components import Source, SourceParams

AGAIN = "python -m pipeline tune toy.yaml"


@pytest.fixture
def config(tmp_path: Path) -> Iterator[PipelineConfig]:
    file = tmp_path / "toy.yaml"
    file.write_text("schema_version: 1\nname: toy\ndata: {interactions: {format: synthetic}}\n")
    handlers, level = logging.root.handlers[:], logging.root.level
    raises = logging.raiseExceptions
    yield load_config(file)
    logging.root.handlers, logging.root.level, logging.raiseExceptions = handlers, level, raises
    logging.captureWarnings(False)


def ended_by(work: Callable[[], object], config: PipelineConfig, root: Path) -> None:
    with open_session(config, file=Path("toy.yaml"), root=root, again=AGAIN):
        work()


def raising(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_a_session_that_has_not_begun_is_told_of_nothing_to_continue(config: PipelineConfig, tmp_path: Path) -> None:
    with pytest.raises(InUseError, match=r"^wait for process 7$"):
        ended_by(raising(InUseError("wait for process 7")), config, tmp_path)


@pytest.mark.parametrize("error", [DivergedError("too high"), DataError("too high"), RefusedError("too high")])
def test_what_needs_a_change_keeps_its_kind_and_says_so(
    config: PipelineConfig, tmp_path: Path, error: RunError
) -> None:
    with pytest.raises(type(error), match=rf"^too high\n.* once the reason above .*, continue with: {AGAIN}$"):
        ended_by(raising(error), config, tmp_path)


@pytest.mark.parametrize(
    ("work", "told"),
    [
        (raising(RunError("lost")), "lost"),
        (raising(KeyboardInterrupt()), "interrupted"),
        (raising(OSError(errno.ENOSPC, "No space left on device", "x")), r".*: \[Errno 28\] No space left .*: 'x'"),
    ],
)
def test_what_may_pass_is_continued_by_the_same_command(
    config: PipelineConfig, tmp_path: Path, work: Callable[[], object], told: str
) -> None:
    with pytest.raises(RunError, match=rf"^{told}\nFinished work is kept; the same command continues: {AGAIN}$"):
        ended_by(work, config, tmp_path)


def test_a_traceback_that_nobody_foresaw_is_in_the_log_alone(
    config: PipelineConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InternalError, match=r"^ValueError: odd \(test_session\.py:\d+\)\nThe traceback is in ") as told:
        ended_by(raising(ValueError("odd")), config, tmp_path)
    assert told.value.exit_code == 1
    (log,) = (tmp_path / "toy" / "runs").glob("*.log")
    assert str(log) in str(told.value)
    assert "Traceback (most recent call last)" in log.read_text()
    assert capsys.readouterr().err == ""


def log_of(root: Path) -> str:
    (log,) = (root / "toy" / "runs").glob("*.log")
    return log.read_text()


def toy_run(config: PipelineConfig, root: Path, display: Display) -> None:
    """A step that is done, and work beside it that a warning interrupts and that is refused."""
    pipeline = Pipeline("toy")
    pipeline.add(Source(SourceParams(number=3)))
    with open_session(config, file=Path("toy.yaml"), root=root, again=AGAIN, display=display) as session:
        session.execute(pipeline)
        with session.step("Tuner") as facts:
            logging.getLogger("apache_beam.runners").info("chatter")
            session.progress.step_progress(Decided("trial 0: 0.25"))
            session.store.warn("a record is damaged")
            facts["trials"] = 1
            raise RefusedError("not good enough")


def test_the_log_has_the_lines_of_the_run_whatever_is_shown(config: PipelineConfig, tmp_path: Path) -> None:
    with pytest.raises(RefusedError):
        toy_run(config, tmp_path, Display("quiet"))
    lines = [line.partition(": ")[2] for line in log_of(tmp_path).splitlines()]
    assert lines[0] == "Source: started"
    assert lines[1].startswith("Source: ")
    assert lines[1].endswith(" s number 3")
    assert lines[2:5] == ["Tuner: started", "Tuner: trial 0: 0.25", "a record is damaged"]
    assert lines[5].startswith("Tuner: refused after ")
    assert lines[6:] == ["not good enough"]


def test_quiet_leaves_warnings(config: PipelineConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RefusedError):
        toy_run(config, tmp_path, Display("quiet"))
    assert capsys.readouterr().err == "warning: a record is damaged\n"


def test_json_lines_tell_the_whole_run(
    config: PipelineConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RefusedError):
        toy_run(config, tmp_path, Display(log_format="json"))
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(event["step"], event["event"]) for event in events] == [
        ("", "run_started"),
        ("Source", "step_started"),
        ("Source", "step_finished"),
        ("Tuner", "step_started"),
        ("Tuner", "decision"),
        ("Tuner", "warning"),
        ("Tuner", "step_finished"),
    ]
    assert events[0]["fields"] == {"steps": ["Source"]}
    assert events[-1]["fields"]["state"] == "refused"
    assert events[-1]["fields"]["facts"] == {"trials": 1}
    (run,) = Store(tmp_path, "toy").runs()
    assert {event["run"] for event in events} == {run.id}


def test_steps_are_recorded_and_named_where_they_fail(config: PipelineConfig, tmp_path: Path) -> None:
    pipeline = Pipeline("toy")
    pipeline.add(Source(SourceParams(number=3)))
    with open_session(config, file=Path("toy.yaml"), root=tmp_path, again=AGAIN) as session:
        assert session.execute(pipeline)["Source"].facts == {"number": 3}
    broken = Pipeline("toy")
    broken.add(Source(SourceParams(file=tmp_path / "toy.yaml")))
    with (
        pytest.raises(InternalError, match=r"^Source failed: ValueError: "),
        open_session(config, file=Path("toy.yaml"), root=tmp_path, again=AGAIN) as session,
    ):
        session.execute(broken)
    assert [run.state for run in Store(tmp_path, "toy").runs()] == ["done", "failed"]
