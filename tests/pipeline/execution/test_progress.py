from pipeline.execution.metadata import Step
from pipeline.execution.progress import PlainProgress


def test_a_log_is_not_flooded(capsys):
    progress = PlainProgress("shop")
    progress.step_started("Trainer")
    for step in range(1000):
        progress.step_progress(f"step {step}")
    progress.step_finished(Step("Trainer", "run", seconds=1.0), {"steps": 1000, "loss": 0.25, "more": {"a": 1}})
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" shop Trainer: ")[2] for line in lines] == [
        "started",
        "step 0",
        "1.0 s steps 1,000, loss 0.25",
    ]


def test_a_failed_step_says_so(capsys):
    PlainProgress("shop").step_finished(Step("Trainer", "failed", seconds=2.0), {})
    assert "Trainer: failed after 2.0 s" in capsys.readouterr().err
