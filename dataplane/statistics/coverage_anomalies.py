"""Judges and reports whether the ids of a query or candidate table are those of the interactions."""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field, model_validator

from dataplane.artifacts.statistics import IdReport, Spelling
from models.spec.strict import Strict

_NOUNS = {"query_id": "queries", "candidate_id": "candidates"}
_ADVICE = {
    "leading zeros": "write ids as text in all files: as numbers they lose their leading zeros",
    "a decimal part": "set 'whole_number_ids: true' for the table that has it, or write ids as text or whole numbers: "
    "programs that read ids as decimals append '.0'",
}
_OTHER_ADVICE = "write each id the same way in both"


class DescribedLimits(Strict):
    """Minimum share of the interactions' ids that a table must describe."""

    refuse_below: float = Field(default=0.05, ge=0, le=1)
    """The run is refused if three shares are all below this: the interactions' ids that the table has, the events of
    these ids, and the table's own ids that occur. It is also refused if more ids differ in spelling than are equal. 0
    turns the check off."""
    warn_below: float = Field(default=0.5, ge=0, le=1)
    """A warning is given if the table has a smaller share of the interactions' ids, or some in another spelling. 0
    turns it off."""

    @model_validator(mode="after")
    def _warning_comes_first(self) -> "DescribedLimits":
        if 0 < self.warn_below < self.refuse_below:
            raise ValueError(
                f"'refuse_below' ({self.refuse_below:g}) must not be above 'warn_below' ({self.warn_below:g}): raise "
                "'warn_below', or turn warnings off with 0"
            )
        return self


def coverage_findings(
    coverage: IdReport, limits: DescribedLimits, key: str
) -> Iterator[tuple[str, Literal["error", "warning"], str]]:
    """At most one finding about a table, as kind, severity and message.

    Args:
        coverage: compares the ids of the table with those of the interactions.
        limits: the configured limits.
        key: the setting that holds the limits.
    """
    if not coverage.ids or not coverage.table_ids:
        return
    kind = _kind(coverage, limits)
    severity: Literal["error", "warning"] = "error" if _is_refused(coverage, limits) else "warning"
    if kind and (severity == "error" or limits.warn_below):
        setting = f"{key}.refuse_below" if severity == "error" else f"{key}.warn_below"
        yield kind, severity, f"{_amount(coverage)}. {_evidence(coverage)} ({setting}: 0 turns this off)"


def coverage_text(coverage: IdReport) -> str:
    """A short summary of the shares, to follow the name of the table."""
    ids, events = _share(coverage.described, coverage.ids), _share(coverage.described_events, coverage.events)
    return f"describe {_percent(ids)} of ids ({_percent(events)} of events), {_percent(_used(coverage))} occur"


def _kind(coverage: IdReport, limits: DescribedLimits) -> str:
    if coverage.alike:
        return "ids_misspelt"
    if _is_refused(coverage, limits):
        return "ids_disjoint"
    return "few_ids_described" if _share(coverage.described, coverage.ids) < limits.warn_below else ""


def _is_refused(coverage: IdReport, limits: DescribedLimits) -> bool:
    if not limits.refuse_below:
        return False
    # A table of few queries that all occur, or of best-sellers only, has few of the ids and is still the right table.
    ids, events = _share(coverage.described, coverage.ids), _share(coverage.described_events, coverage.events)
    return max(ids, events, _used(coverage)) < limits.refuse_below or coverage.alike > coverage.described


def _amount(coverage: IdReport) -> str:
    noun, events = _NOUNS[coverage.column], _percent(_share(coverage.described_events, coverage.events))
    return (
        f"describes {coverage.described:,} of the {coverage.ids:,} {noun} in the interactions ({events} of the "
        f"events); {coverage.used:,} of the table's {coverage.table_ids:,} ids occur in the interactions"
    )


def _evidence(coverage: IdReport) -> str:
    if coverage.alike:
        return _spellings(coverage.alike, coverage.spellings)
    only = f"Only the interactions have {_quoted(coverage.undescribed_examples)}{_all(coverage.undescribed_prefix)}"
    if coverage.unused_examples:
        only += f"; only the table has {_quoted(coverage.unused_examples)}{_all(coverage.unused_prefix)}"
    return f"{only}. Check that each file's id column is the right one, and that both are of the same time and place"


def _spellings(count: int, spellings: Sequence[Spelling]) -> str:
    shown = [f"'{found.interactions}' in the interactions, '{found.table}' in the table" for found in spellings]
    ways = list(dict.fromkeys(way for found in spellings for way in found.differ_in))
    advice = list(dict.fromkeys(_ADVICE.get(way, _OTHER_ADVICE) for way in ways))
    ids = "1 id differs" if count == 1 else f"{count:,} ids differ"
    return f"{ids} only in {' and '.join(ways)}: {'; '.join(shown)}. To fix this, {'; '.join(advice)}"


def _quoted(ids: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in ids)


def _all(prefix: str) -> str:
    return f" (all of these begin with '{prefix}')" if prefix else ""


def _used(coverage: IdReport) -> float:
    return _share(coverage.used, coverage.table_ids)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _percent(share: float) -> str:
    """A share as a percentage, rounded down, so that 100 % means all."""
    return "under 0.1 %" if 0 < share < 0.001 else f"{math.floor(1000 * share) / 10:g} %"
