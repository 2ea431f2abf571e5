"""Runs a pipeline once for each of several spans, oldest first."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataplane.errors import ConfigError, PipelineError
from dataplane.sources.spans.listing import SpanError, has_spans
from dataplane.sources.spans.window import span_exists, spans_between
from pipeline.config.config import load_config
from pipeline.config.settings import settings_given, span_setting
from pipeline.create_pipeline import create_pipeline
from pipeline.execution.metadata import Run, Store
from pipeline.running import Finished


@dataclass(frozen=True)
class Backfill:
    """The spans that a backfill runs.

    Attributes:
        file: the configuration.
        root: where artifacts and records are kept.
        settings: `key=value` settings that override the file.
        spans: spans, oldest first.
        again: whether spans with a finished run are run again.
    """

    file: Path
    root: Path
    settings: Sequence[str]
    spans: tuple[str, ...]
    again: bool = False

    @staticmethod
    def between(
        file: Path, first: str, last: str, *, root: Path, settings: Sequence[str], again: bool = False
    ) -> "Backfill":
        """The spans from one to another.

        Raises:
            ConfigError: the configuration is invalid or has no spans, or the spans are not of its kind or in order.
        """
        data = load_config(file, settings).data
        if not has_spans(data.interactions):
            raise ConfigError(f"--spans {first}..{last}: data.interactions.path of {file} has no {{SPAN}}")
        try:
            return Backfill(file, root, settings, spans_between(data, first, last), again)
        except SpanError as error:
            raise ConfigError(f"--spans {first}..{last}: {error}") from None

    def run(self, run: Callable[[str], Finished], tell: Callable[[str], None]) -> Iterator[Finished]:
        """Runs each span that has no finished run with the same settings; stops at the first that fails.

        Args:
            run: runs a span.
            tell: receives a line about each span.

        Raises:
            PipelineError: a run failed or was refused.
        """
        done = self._finished()
        for number, span in enumerate(self.spans, start=1):
            place = f"span {span} ({number} of {len(self.spans)})"
            if reason := self._reason_to_leave_out(span, done):
                tell(f"{place}: {reason}")
                continue
            tell(place)
            try:
                yield run(span)
            except PipelineError as error:
                raise type(error)(f"{place}: {error}") from error

    def _finished(self) -> list[Run]:
        """Finished runs before this backfill, each of whose spans is run once."""
        if self.again:
            return []
        name = load_config(self.file, self.settings).name
        return [run for run in Store(self.root, name).runs() if run.state == "done"]

    def _reason_to_leave_out(self, span: str, done: Sequence[Run]) -> str:
        config = load_config(self.file, [*self.settings, span_setting(span)])
        if config.data.spans is not None and config.data.spans.missing == "skip" and not span_exists(config.data):
            return "has no files and is left out"
        settings = settings_given(config)
        nodes = {node.id for node in create_pipeline(config, self.root.resolve()).nodes}
        is_done = any(run.settings == settings and {step.node for step in run.steps} == nodes for run in done)
        return "is done" if is_done else ""
