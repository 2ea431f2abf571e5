"""Compares a run with the run that published the previously served version."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.config.settings import flattened
from pipeline.execution.records import Execution
from pipeline.reporting.facts import Documents, RunFacts
from pipeline.reporting.words import moment, number, setting

_DATA = "Data"
_LIBRARIES = "Libraries"


@dataclass(frozen=True)
class Change:
    """One difference.

    Attributes:
        where: Data, Libraries, or a step.
        what: key of the value.
        before: value in the earlier run; "–" if absent.
        after: value in this run.
    """

    where: str
    what: str
    before: str
    after: str


@dataclass(frozen=True)
class ChangesView:
    """View of the differences.

    Attributes:
        version: version of the earlier run; None without an earlier run.
        run: id of the earlier run.
        changes: data first, then settings step by step, then libraries.
    """

    version: int | None
    run: str
    changes: tuple[Change, ...]


def build(facts: RunFacts) -> ChangesView | None:
    """Builds the view; None for a run without a finished step."""
    if not facts.executions:
        return None
    served = facts.served
    if served is None:
        return ChangesView(None, "", ())
    changes = [
        *_data(served.documents, facts.documents),
        *_settings(served.executions, facts.executions),
        *_libraries(served.executions, facts.executions),
    ]
    return ChangesView(served.version, served.run.id, tuple(changes))


def _data(before: Documents, after: Documents) -> Iterator[Change]:
    yield from _differences(_DATA, data_facts(before), data_facts(after))


def data_facts(documents: Documents) -> dict[str, str]:
    """Sizes of the tables and of the index, and the time of the first and the last event."""
    found = {}
    for name, table in (documents.statistics.root if documents.statistics else {}).items():
        found[f"{name}, rows"] = number(table.rows)
        if table.events is not None:
            found["last event"] = moment(table.events.last)
            found["first event"] = moment(table.events.first)
    if documents.index is not None:
        found["candidates indexed"] = number(documents.index.candidates)
    return found


def _settings(before: Mapping[str, Execution], after: Mapping[str, Execution]) -> Iterator[Change]:
    for node, execution in after.items():
        if node in before:
            yield from _differences(node, _params(before[node].params), _params(execution.params))


def _params(params: Mapping[str, Any]) -> dict[str, str]:
    return {key: setting(value) for key, value in flattened(params)}


def _libraries(before: Mapping[str, Execution], after: Mapping[str, Execution]) -> Iterator[Change]:
    """Changed library versions, each once."""
    told = set()
    for node, execution in after.items():
        if node in before:
            for change in _differences(_LIBRARIES, before[node].libraries, execution.libraries):
                if change not in told:
                    told.add(change)
                    yield change


def _differences(where: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for what in dict.fromkeys((*before, *after)):
        old, new = before.get(what, "–"), after.get(what, "–")
        if old != new:
            yield Change(where, what, old, new)
