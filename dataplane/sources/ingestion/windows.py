"""Runs the ingestion of a window: reads the spans that have not been read, and all tables of queries and candidates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataplane.artifacts import Examples
from dataplane.artifacts.examples import SpanOfExamples, WindowOfExamples
from dataplane.context import ExecutionContext
from dataplane.errors import DataError
from dataplane.parts import Parts
from dataplane.sources.config import FileInteractions, FromInteractions
from dataplane.sources.files import CHANGED, Snapshot
from dataplane.sources.ingestion.derivation import derive
from dataplane.sources.ingestion.ingest import read_entities, shards_of_bytes
from dataplane.sources.ingestion.outcome import conclude, require_few_dead_rows
from dataplane.sources.ingestion.piece_cleaning import Folders
from dataplane.sources.ingestion.plan import TablePlan
from dataplane.sources.ingestion.reports import Report, read_reports, report_from
from dataplane.sources.ingestion.spans import Span, SpanReading, SpanRows, assemble, firsts
from dataplane.sources.ingestion.tables import check_complete, clear, derived_tables, plan_of, read_plans
from dataplane.sources.snapshots import Sources, require_same_files
from dataplane.sources.spans.window import Window

_INTERACTIONS = "interactions"


@dataclass(frozen=True)
class WindowIngestion:
    """One ingestion of a window.

    Attributes:
        sources: settings of the tables; the interactions name the files of the window.
        window: the spans.
        files: listed files of each table that has files.
        digests: digest of each file, by table and name.
        base_dir: directory that relative paths start from.
        max_bad_fraction: largest share of dead rows in a span or table, from 0 to 1.
        empty: what to do with a span without rows: `fail` or `skip`.
    """

    sources: Sources
    window: Window
    files: Snapshot
    digests: Mapping[str, str]
    base_dir: Path | None
    max_bad_fraction: float
    empty: str

    def run(self, output: Examples, context: ExecutionContext) -> dict[str, Any]:
        """Fills `output` and returns the facts of the run.

        Raises:
            DataError: see `ExampleGen.execute`.
        """
        require_same_files(self.sources, self.files, self.base_dir)
        clear(output)
        source = self.sources[_INTERACTIONS]
        assert isinstance(source, FileInteractions)
        derived, spans = derived_tables(self.sources), self._spans()
        with context.scratch_directory() as scratch:
            reading = SpanReading(source, context.parts or Parts(scratch / "parts"), context, scratch)
            scans = reading.scans(spans)
            plan = plan_of(_INTERACTIONS, *reading.columns(spans, scans), derived)
            rows = reading.rows(spans, plan, derived)
            assemble(rows, output)
            size = sum(sum(scan.sizes) for scan in scans.values())
            folders = Folders.below(scratch, output)
            plans, parts = self._tables(rows, plan, derived, shards_of_bytes(size), folders, context)
        parts = [*(report_from(values) for each in rows for values in each.part.about["reports"]), *parts]
        self._check(rows, output)
        facts = conclude(parts, plans, derived, max_bad_fraction=self.max_bad_fraction, output=output)
        self._record(rows).write(output)
        return self._told(rows, facts)

    def _spans(self) -> list[Span]:
        listed = {file.location: file for file in self.files[_INTERACTIONS]}
        spans = []
        for name, files in self.window.files.items():
            if gone := [file.name for file in files if file.location not in listed]:
                raise DataError(f"{gone[0]} was removed after the files of {_INTERACTIONS} were listed; {CHANGED}")
            own = [listed[file.location] for file in files]
            spans.append(Span(name, own, {file.name: self.digests[f"{_INTERACTIONS}/{file.name}"] for file in own}))
        return spans

    def _tables(
        self,
        rows: Sequence[SpanRows],
        plan: TablePlan,
        derived: Mapping[str, list[str]],
        shards: int,
        folders: Folders,
        context: ExecutionContext,
    ) -> tuple[dict[str, TablePlan], list[Report]]:
        """Reads the tables of queries and candidates; returns the plans of all tables, and the reports on these."""
        others = {
            name: source
            for name, source in self.sources.items()
            if name != _INTERACTIONS and not isinstance(source, FromInteractions)
        }
        tables = read_plans(others, derived, self.files, folders.reports.parent, context) if others else {}
        if tables or derived:
            with context.beam.pipeline() as pipeline:
                for table in tables.values():
                    read_entities(pipeline, table, folders)
                for name, columns in derived.items():
                    derive(pipeline, name, columns, plan, firsts(rows, name), shards, folders)
            check_complete(tables.values(), folders.reports)
        plans = {_INTERACTIONS: plan, **{name: table.plan for name, table in tables.items()}}
        return plans, read_reports(folders.reports)

    def _check(self, rows: Sequence[SpanRows], output: Examples) -> None:
        """Checks the rows of each span."""
        for each in rows:
            name = each.span.name
            if each.report.rows_in == 0 and self.empty == "fail":
                raise DataError(f"span {name} has no rows; bring them, or set data.spans.empty to skip")
            what = f"span {name} of {_INTERACTIONS}"
            require_few_dead_rows(each.report, self.max_bad_fraction, output.path / "dead_letters", what)

    def _record(self, rows: Sequence[SpanRows]) -> WindowOfExamples:
        spans = [
            SpanOfExamples(
                span=each.span.name,
                rows=each.report.rows_out,
                dead=each.report.dead,
                filtered=each.report.filtered,
                pieces=each.pieces,
            )
            for each in rows
        ]
        return WindowOfExamples(span=self.window.span, missing=self.window.missing, spans=tuple(spans))

    def _told(self, rows: Sequence[SpanRows], facts: Mapping[str, Any]) -> dict[str, Any]:
        told = self.window.facts()
        states = {
            "read": [each.span.name for each in rows if each.is_new],
            "changed": [each.span.name for each in rows if each.was_changed],
            "empty": [each.span.name for each in rows if each.report.rows_in == 0],
        }
        notes = list(told["notes"])
        if states["changed"]:
            notes.append(f"files of span {', '.join(states['changed'])} have changed and were read anew")
        if states["empty"]:
            notes.append(f"span {', '.join(states['empty'])} has no rows and is left out")
        return {**facts, **told, "spans": {**told["spans"], **states}, "notes": [*notes, *facts.get("notes", [])]}
