"""ExampleValidator: checks that the data fit the schema and suffice for training.

`anomalies.json` is a list of {"table", "column", "kind", "severity", "message"}; `column` is null for whole tables.
The kinds are described in `dataplane.statistics.anomalies`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.base import Component, ExecutionContext
from components.example_validator.params import ExampleValidatorParams
from dataplane.artifacts import Anomalies, Schema, Statistics
from dataplane.artifacts.anomalies import Anomaly, AnomalyList
from dataplane.artifacts.statistics import StatisticsReport
from dataplane.errors import RefusedError
from dataplane.statistics.coverage_anomalies import coverage_text

_SHOWN = 8


class ExampleValidator(Component["ExampleValidator.Inputs", "ExampleValidator.Outputs", ExampleValidatorParams]):
    """Compares statistics with the schema, and stops the run if they disagree."""

    @dataclass(frozen=True)
    class Inputs:
        """Artifacts that ExampleValidator reads."""

        statistics: Statistics
        schema: Schema

    @dataclass(frozen=True)
    class Outputs:
        """Artifacts that ExampleValidator writes."""

        anomalies: Anomalies

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """Writes `anomalies.json`; facts are the counts, the anomalies as `notes`, and what each table describes.

        Raises:
            RefusedError: an anomaly is at least as severe as `fail_on`. The file is written before.
        """
        from dataplane.statistics.anomalies import find_anomalies
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
        AnomalyList(tuple(anomalies)).write(outputs.anomalies)
        self._refuse(anomalies, outputs.anomalies)
        errors = sum(anomaly.severity == "error" for anomaly in anomalies)
        covered = {table: coverage_text(it.ids) for table, it in statistics.items() if it.ids is not None}
        return {"errors": errors, "warnings": len(anomalies) - errors, **covered, **_notes(anomalies)}

    def _refuse(self, anomalies: Sequence[Anomaly], written: Anomalies) -> None:
        blocking = {"error": ("error",), "warning": ("error", "warning"), "never": ()}[self.params.fail_on]
        refused = [anomaly for anomaly in anomalies if anomaly.severity in blocking]
        if not refused:
            return
        lines = [f"  {anomaly.place}: {anomaly.message}" for anomaly in refused[:_SHOWN]]
        if len(refused) > _SHOWN:
            lines.append(f"  … and {len(refused) - _SHOWN} more")
        count = "1 anomaly" if len(refused) == 1 else f"{len(refused)} anomalies"
        where = written.path / AnomalyList.FILE
        raise RefusedError("\n".join([f"the data have {count}; {where} lists all of them:", *lines]))


def _notes(anomalies: Sequence[Anomaly]) -> dict[str, list[str]]:
    """Anomalies to show beside the step and in the summary of every run."""
    notes = [f"{anomaly.severity}: {anomaly.place}: {anomaly.message}" for anomaly in anomalies[:_SHOWN]]
    if len(anomalies) > _SHOWN:
        notes.append(f"… and {len(anomalies) - _SHOWN} more in anomalies.json")
    return {"notes": notes} if notes else {}
