"""ExampleValidator: checks that the data fit the schema, suffice for training, and are like earlier data.

`anomalies.json` is a list of {"table", "column", "kind", "severity", "message"}; `column` is null for whole tables.
The kinds are described in `dataplane.statistics.anomalies` and `dataplane.statistics.changes`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from components.base import Component, ExecutionContext, Prepared
from components.example_validator.earlier import EarlierData, EarlierStatistics, GivenData
from components.example_validator.params import ExampleValidatorParams
from dataplane.artifacts import Anomalies, Schema, Statistics
from dataplane.artifacts.anomalies import Anomaly, AnomalyList, Newest
from dataplane.artifacts.statistics import StatisticsReport
from dataplane.errors import RefusedError
from dataplane.statistics.coverage_anomalies import coverage_text

_SHOWN = 8


class ExampleValidator(Component["ExampleValidator.Inputs", "ExampleValidator.Outputs", ExampleValidatorParams]):
    """Compares statistics with the schema and with earlier data, and stops the run if they disagree.

    Attributes:
        earlier: finds earlier data.
        accepted: why anomalies are accepted; "" refuses them. No part of the cache key: what was accepted once is not
            refused later.
    """

    @dataclass(frozen=True)
    class Inputs:
        """Artifacts that ExampleValidator reads."""

        statistics: Statistics
        schema: Schema

    @dataclass(frozen=True)
    class Outputs:
        """Artifacts that ExampleValidator writes."""

        anomalies: Anomalies

    def __init__(
        self, params: ExampleValidatorParams, earlier: EarlierData | None = None, *, accepted: str = ""
    ) -> None:
        super().__init__(params)
        self.earlier = earlier or GivenData()
        self.accepted = accepted

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """Writes `anomalies.json`; facts are the counts, the anomalies as `notes`, and what each table describes.

        Raises:
            RefusedError: an anomaly is at least as severe as `fail_on`. The file is written before.
        """
        return self._validate(self.earlier.found(""), inputs, outputs, context)

    def prepare_for(self, inputs: Mapping[str, str]) -> Prepared[Inputs, Outputs]:
        """Finds the earlier data and digests them."""
        earlier = self.earlier.found(inputs["statistics"].partition("/")[0])
        external = {f"statistics of {it.what}": it.digest for it in earlier.values()}
        return Prepared(external, partial(self._validate, earlier))

    def is_current(self, outputs: Outputs) -> bool:
        """Whether the newest event is still recent enough."""
        from dataplane.statistics.changes import is_stale

        newest = Newest.read(outputs.anomalies).event if (outputs.anomalies.path / Newest.FILE).exists() else None
        limits = self.params.changes.freshness
        accepted = (outputs.anomalies.path / AnomalyList.FILE).exists() and any(
            anomaly.kind == "stale" for anomaly in AnomalyList.read(outputs.anomalies).root
        )
        return accepted or not is_stale(newest, limits, self.earlier.now())

    def _validate(
        self, earlier: Mapping[str, EarlierStatistics], inputs: Inputs, outputs: Outputs, context: ExecutionContext
    ) -> Mapping[str, Any]:
        from dataplane.statistics.anomalies import find_anomalies
        from dataplane.statistics.changes import changes, newest_event, stale, unusual_span
        from dataplane.statistics.tfmd import read_schema

        statistics = StatisticsReport.read(inputs.statistics).root
        schema = read_schema(inputs.schema.path / "schema.pbtxt")
        anomalies = find_anomalies(
            statistics,
            schema,
            max_nan_fraction=self.params.max_nan_fraction,
            max_unseen_fraction=self.params.max_unseen_fraction,
            min_queries=self.params.min_queries,
            min_candidates=self.params.min_candidates,
            described={"queries": self.params.described_queries, "candidates": self.params.described_candidates},
        )
        for it in earlier.values():
            anomalies += changes(statistics, it.read().root, schema, self.params.changes, against=it.what)
        anomalies += unusual_span(statistics, self.params.changes.volume)
        anomalies += stale(statistics, self.params.changes.freshness, self.earlier.now())
        anomalies.sort(key=lambda anomaly: anomaly.severity != "error")
        AnomalyList(tuple(anomalies)).write(outputs.anomalies)
        Newest(event=newest_event(statistics)).write(outputs.anomalies)
        refused = self._refuse(anomalies, outputs.anomalies)
        errors = sum(anomaly.severity == "error" for anomaly in anomalies)
        covered = {table: coverage_text(it.ids) for table, it in statistics.items() if it.ids is not None}
        compared = {"compared": {name: it.execution for name, it in earlier.items()}} if earlier else {}
        accepted = {"accepted": self.accepted} if refused else {}
        notes = _notes(anomalies, self.accepted if refused else "")
        return {"errors": errors, "warnings": len(anomalies) - errors, **covered, **compared, **accepted, **notes}

    def _refuse(self, anomalies: Sequence[Anomaly], written: Anomalies) -> bool:
        """Whether anomalies that would stop the run are accepted.

        Raises:
            RefusedError: they are not.
        """
        blocking = {"error": ("error",), "warning": ("error", "warning"), "never": ()}[self.params.fail_on]
        refused = [anomaly for anomaly in anomalies if anomaly.severity in blocking]
        if not refused or self.accepted:
            return bool(refused)
        lines = [f"  {anomaly.place}: {anomaly.message}" for anomaly in refused[:_SHOWN]]
        if len(refused) > _SHOWN:
            lines.append(f"  … and {len(refused) - _SHOWN} more")
        count = "1 anomaly" if len(refused) == 1 else f"{len(refused)} anomalies"
        where = written.path / AnomalyList.FILE
        lines.append("  If the data are right, run again with --accept-anomalies REASON.")
        raise RefusedError("\n".join([f"the data have {count}; {where} lists all of them:", *lines]))


def _notes(anomalies: Sequence[Anomaly], accepted: str) -> dict[str, list[str]]:
    """Anomalies to show beside the step and in the summary of every run."""
    notes = [f"anomalies were accepted: {accepted}"] if accepted else []
    notes += [f"{anomaly.severity}: {anomaly.place}: {anomaly.message}" for anomaly in anomalies[:_SHOWN]]
    if len(anomalies) > _SHOWN:
        notes.append(f"… and {len(anomalies) - _SHOWN} more in anomalies.json")
    return {"notes": notes} if notes else {}
