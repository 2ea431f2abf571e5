"""Reproductions in words."""

from collections.abc import Iterator

from dataplane.errors.messages import listed
from dataplane.text_tables import text_table
from pipeline.execution.metadata import Run
from pipeline.provenance.equality import Outcome
from pipeline.provenance.explanation_text import change_row
from pipeline.provenance.rebuilding import Rebuilt
from pipeline.provenance.reproduction import Comparing, Conditions

_MOST_CHANGES = 20
_MOST_FILES = 5


def condition_lines(run: Run, rebuilt: Rebuilt, found: Conditions) -> Iterator[str]:
    """What differs from the run before anything is repeated."""
    if found.older:
        yield (
            f"the code differs: an older release made {listed(found.older)}; it recorded no digests of code and "
            "sources, so what differs in them cannot be named"
        )
    if found.changes:
        yield f"not as in run {run.id}:"
        yield from text_table([change_row(change) for change in found.changes[:_MOST_CHANGES]], indent=2)
    if len(found.changes) > _MOST_CHANGES:
        yield f"  and {len(found.changes) - _MOST_CHANGES} more"
    if found.unpublished:
        yield f"version {found.unpublished}, which the model was compared with, is no longer published"
    if not (found.older or found.changes or found.gone or found.unpublished):
        yield f"sources, code and libraries are those of run {run.id}"


def gone(rebuilt: Rebuilt, found: Conditions) -> str:
    """Why a run cannot be repeated from its sources, and what can be done."""
    lines = []
    for node, reason in found.gone.items():
        later = _next(rebuilt, node)
        hint = f"; repeat what follows on the recorded artifacts with --from {later}" if later else ""
        lines.append(f"the sources of {node} are gone: {reason}{hint}")
    return "\n".join(lines)


def outcome_lines(rebuilt: Rebuilt, comparing: Comparing) -> Iterator[str]:
    """How each step came out."""
    rows = [[node, _outcome(comparing.outcomes.get(node))] for node in rebuilt.recorded]
    rows += [[node, reason] for node, reason in rebuilt.left_out.items()]
    yield from text_table(rows, indent=2)
    if not comparing.first_difference:
        yield f"equal: all {len(comparing.outcomes)} steps came out as recorded"


def difference(comparing: Comparing) -> str:
    """The first step that differs, and its files."""
    first = comparing.first_difference
    found = comparing.outcomes[first].differences
    more = [f"  and {len(found) - _MOST_FILES} more files"] if len(found) > _MOST_FILES else []
    lines = [f"{first} is the first step that differs:", *(f"  {text}" for text in found[:_MOST_FILES]), *more]
    return "\n".join(lines)


def _next(rebuilt: Rebuilt, node: str) -> str:
    """The step after a step; "" for the last."""
    names = list(rebuilt.recorded)
    return next(iter(names[names.index(node) + 1 :]), "")


def _outcome(outcome: Outcome | None) -> str:
    if outcome is None:
        return "not repeated"
    if outcome.differences:
        return f"differs in {len(outcome.differences)} files"
    told = [f"{outcome.equal} files"] if outcome.equal else []
    told += [f"{outcome.alike} alike"] if outcome.alike else []
    told += [f"{outcome.not_compared} not compared"] if outcome.not_compared else []
    return f"equal: {', '.join(told)}"
