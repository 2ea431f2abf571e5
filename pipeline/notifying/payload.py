"""What is told of a run's end: a small JSON object, described in `docs/nights.md`."""

from typing import Any

from dataplane.errors import RefusedError
from dataplane.errors.credentials import redacted
from pipeline.config.notify_config import Outcome
from pipeline.execution.metadata import Run, Store
from pipeline.reporting.outcome import outcome, reasons
from pipeline.reporting.overview import overviews
from pipeline.reporting.reading import DocumentReader

VERSION = 1
"""Version of the payload's form."""
_LONGEST = 2000


def outcome_of(store: Store, run: Run, error: BaseException | None) -> Outcome | None:
    """How a run ended; None if it succeeded and published nothing new.

    Args:
        store: the pipeline's records.
        run: the run, which may not have begun.
        error: what ended it early; None if nothing did.
    """
    if error is not None:
        return "refused" if isinstance(error, RefusedError) else "failed"
    tone, _ = outcome(run, DocumentReader(store, run).push())
    return "published" if tone == "good" else None


def payload(store: Store, run: Run, ended: Outcome, error: BaseException | None) -> dict[str, Any]:
    """The JSON object that tells of a run.

    Args:
        store: the pipeline's records.
        run: the run.
        ended: how it ended.
        error: what ended it early; None if nothing did.
    """
    reader = DocumentReader(store, run)
    (overview,) = overviews(store, [run])
    main = overview.metrics[0] if overview.metrics else None
    report = store.report_file(run)
    reason = _reason(run, overview.outcome, reader, error)
    step = next((step.node for step in run.steps if step.state in ("refused", "failed")), None)
    first = reason.partition("\n")[0]
    return {
        "schema_version": VERSION,
        "text": f"{store.directory.name}: {ended}{f' by {step}' if step and ended == 'refused' else ''}: {first}",
        "pipeline": store.directory.name,
        "run": run.id,
        "outcome": ended,
        "step": step,
        "reason": reason,
        "version": overview.version if ended == "published" else None,
        "metric": None if main is None else {"name": main.name, "value": main.value},
        "report": str(report) if report.exists() else None,
        "started": run.started,
        "finished": run.finished or None,
    }


def _reason(run: Run, told: str, reader: DocumentReader, error: BaseException | None) -> str:
    """The reason in words: failed checks of a gate, otherwise the message of the run."""
    if error is None:
        return told
    begun = bool(run.finished)
    lines = reasons(run, reader.verdict()) if begun else ()
    text = "\n".join(lines) or str(error) or type(error).__name__
    return redacted(text)[:_LONGEST]
