import logging

import pytest

from models.spec.progress import Advanced, Decided, Validated
from pipeline.execution.metadata import Step
from pipeline.execution.progress import Both, LogProgress, PlainProgress, QuietProgress


def validated(step: int, value: float = 0.25) -> Validated:
    return Validated(epoch=step / 10, step=step, loss=1.5, metric="ndcg@10", value=value, best=0.25, best_step=10)


def lines(captured: str) -> list[str]:
    return [line.partition(" shop Trainer: ")[2] for line in captured.splitlines()]


def test_a_log_is_not_flooded(capsys: pytest.CaptureFixture[str]) -> None:
    progress = PlainProgress("shop")
    progress.step_started("Trainer")
    for step in range(1000):
        progress.step_progress(f"step {step}")
        progress.step_progress(Advanced(step, 1000, "steps"))
    progress.step_finished(Step("Trainer", "run", seconds=1.0), {"steps": 1000, "loss": 0.25, "more": {"a": 1}})
    assert lines(capsys.readouterr().err) == ["started", "step 0", "1.0 s steps 1,000, loss 0.25"]


def test_every_validation_and_every_decision_is_a_line_however_fast_they_come(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = PlainProgress("shop")
    progress.step_started("Trainer")
    progress.step_progress("training")
    for step in (10, 20, 30):
        progress.step_progress(validated(step))
        progress.step_progress(Decided(f"trial {step}: 0.25"))
    told = lines(capsys.readouterr().err)
    assert told[:2] == ["started", "training"]
    assert told[2] == "epoch 1.0, step 10: loss 1.5000, validation ndcg@10 0.2500 (best 0.2500 at step 10)"
    assert [line.partition(":")[0] for line in told[2:]] == [
        "epoch 1.0, step 10",
        "trial 10",
        "epoch 2.0, step 20",
        "trial 20",
        "epoch 3.0, step 30",
        "trial 30",
    ]


def test_verbose_shows_every_report(capsys: pytest.CaptureFixture[str]) -> None:
    progress = PlainProgress("shop", every_report=True)
    progress.step_started("Trainer")
    for done in (1, 2):
        progress.step_progress(Advanced(done, 2_000, "steps"))
        progress.step_progress(Advanced(done * 10**6, 10**8, "bytes"))
    assert lines(capsys.readouterr().err)[1:] == [
        "1 of 2,000 steps",
        "1.0 of 100.0 MB",
        "2 of 2,000 steps",
        "2.0 of 100.0 MB",
    ]


def test_a_failed_step_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    PlainProgress("shop").step_finished(Step("Trainer", "failed", seconds=2.0), {})
    assert "Trainer: failed after 2.0 s" in capsys.readouterr().err


def test_quiet_shows_warnings_alone(capsys: pytest.CaptureFixture[str]) -> None:
    progress = QuietProgress()
    progress.planned(["Trainer"])
    progress.step_started("Trainer")
    progress.step_progress(validated(10))
    progress.warned("a record is damaged")
    progress.step_finished(Step("Trainer", "failed", seconds=2.0), {"notes": ["seen"]})
    assert capsys.readouterr().err == "warning: a record is damaged\n"


def test_the_log_gets_the_same_lines_as_the_screen(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="pipeline"):
        progress = Both(QuietProgress(), LogProgress())
        progress.planned(["Trainer"])
        progress.step_started("Trainer")
        progress.step_progress(validated(10))
        progress.warned("a record is damaged")
        progress.step_finished(Step("Trainer", "run", seconds=2.0), {"notes": ["seen twice"]})
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "Trainer: started"),
        ("INFO", f"Trainer: {validated(10)}"),
        ("WARNING", "a record is damaged"),
        ("INFO", "Trainer: 2.0 s"),
        ("INFO", "Trainer: seen twice"),
    ]
    assert capsys.readouterr().err == "warning: a record is damaged\n"
