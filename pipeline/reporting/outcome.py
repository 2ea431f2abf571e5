"""Tells how a run ended, and why."""

from dataplane.artifacts.blessing import Verdict
from dataplane.artifacts.pushed_model import Push
from dataplane.verdict import check_text
from pipeline.execution.records import Run

_MOST_LINES = 12
"""Lines of a message."""


def outcome(run: Run, push: Push | None) -> tuple[str, str]:
    """Tone, which is good, bad or neutral, and the outcome in one line.

    Args:
        run: record of the run.
        push: what the run published; None if it published nothing.
    """
    step = next((it for it in run.steps if it.state == run.state), None)
    where = f" by {step.node}" if step else ""
    if run.state == "refused":
        return "bad", f"Refused{where}: nothing was published"
    if run.state == "failed":
        return "bad", f"Failed in {step.node}: nothing was published" if step else "Failed: nothing was published"
    if run.state == "interrupted":
        return "neutral", "Interrupted before its end"
    if run.state != "done":
        return "neutral", f"Still running, {run.step_at_work.node} is at work" if run.step_at_work else "Still running"
    if push is None:
        return "neutral", "Done; nothing was to be published"
    if push.withdrawn:
        return "neutral", f"Not published again: version {push.version} stands since a rollback"
    pushed_now = any(it.state == "run" and "Pusher" in it.node for it in run.steps)
    if push.new and pushed_now:
        return "good", f"Published as version {push.version}"
    return "neutral", f"Nothing new: version {push.version} is already published"


def reasons(run: Run, verdict: Verdict | None) -> tuple[str, ...]:
    """Why a run did not end well: the failed checks, otherwise the lines of its message."""
    failed = [check_text(check) for check in verdict.checks if not check.passed] if verdict else []
    return tuple(failed) or tuple(line.strip() for line in run.message.splitlines() if line.strip())[:_MOST_LINES]
