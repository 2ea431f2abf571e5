"""The window of spans that a run reads."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dataplane.errors import DataError
from dataplane.sources.config import FileEntities, FileInteractions
from dataplane.sources.data_config import ExampleGenParams, paths_of
from dataplane.sources.files import SourceFile, source_files
from dataplane.sources.spans.config import SpansConfig
from dataplane.sources.spans.listing import SpanError, SpanListing, has_spans

_LONGEST_PAUSE = 10.0
_LOOKS = 20
_SHOWN = 5


@dataclass(frozen=True)
class Window:
    """Spans that a run reads, oldest first.

    Attributes:
        span: the run's span.
        files: files of each span that has some.
        missing: spans without files.
        others: names in the place of a span that are none.
    """

    span: str
    files: dict[str, list[SourceFile]]
    missing: tuple[str, ...]
    others: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """Facts for the record of a run, with a note on what is unusual."""
        first = next(iter(self.files))
        notes = [f"span {_some(self.missing)} has no files and is left out"] if self.missing else []
        notes += [f"{_some(self.others)} in the place of a span is none, and is not read"] if self.others else []
        spans = {"first": first, "last": self.span, "spans": len(self.files), "missing": list(self.missing)}
        return {"span": self.span, "spans": spans, "notes": notes}


def pinned(params: ExampleGenParams) -> ExampleGenParams:
    """The parameters with the run's span, the newest that exists by default, in the notation of the source.

    A query or candidate table with `{SPAN}` is a snapshot: its path becomes that of the newest span that has files, up
    to the run's. Parameters without `{SPAN}` stay as they are.

    Raises:
        SpanError: no span up to the run's has files, or the run's is of another kind.
        RunError: a store cannot be reached.
    """
    if not has_spans(params.interactions):
        return params
    config, listing = _settings(params), _listing(params)
    newest = listing.newest(None if config.span is None else listing.position(config.span))
    span = newest if config.span is None else listing.position(config.span)
    updates: dict[str, object] = {
        "spans": config.model_copy(update={"span": listing.notation.text(span)}),
        **{
            table: source.model_copy(update={"path": _snapshot(SpanListing.of(source, params.base_dir, config), span)})
            for table, source in params.entity_tables().items()
            if isinstance(source, FileEntities) and has_spans(source)
        },
    }
    return params.model_copy(update=updates)


def resolved(params: ExampleGenParams) -> tuple[ExampleGenParams, Window | None]:
    """The parameters with the paths of the window's spans in the place of `{SPAN}`, and the window.

    The window is None if the interactions have no spans; the parameters then stay as they are.

    Raises:
        DataError: a span is missing that must not be, or all are.
        RunError: a store cannot be reached.
    """
    if not has_spans(params.interactions):
        return params, None
    if _settings(params).span is None:
        params = pinned(params)
    config, listing = _settings(params), _listing(params)
    positions = _positions(config, listing)
    there = [position for position in positions if listing.has_files(position)]
    missing = listing.texts(position for position in positions if position not in there)
    span = listing.notation.text(positions[-1])
    if missing and (config.missing != "skip" or not there):
        raise DataError(_missing(missing, span, listing))
    files = {text: _files(params, listing.paths(at)) for text, at in zip(listing.texts(there), there, strict=True)}
    window = Window(span, files, missing, listing.others)
    return _at(params, [path for position in there for path in listing.paths(position)]), window


def at_newest(params: ExampleGenParams) -> ExampleGenParams:
    """The parameters with the paths of one span, the newest that has files up to the run's.

    Raises:
        SpanError: there is none.
        RunError: a store cannot be reached.
    """
    if not has_spans(params.interactions):
        return params
    config, listing = _settings(params), _listing(params)
    return _at(params, listing.paths(listing.newest(None if config.span is None else listing.position(config.span))))


def spans_between(params: ExampleGenParams, first: str, last: str) -> tuple[str, ...]:
    """All spans from one to another, oldest first, whether they have files or not.

    Raises:
        SpanError: a span is of another kind than the source's, or the first is after the last.
        RunError: a store cannot be reached.
    """
    config, listing = _settings(params), _listing(params)
    start, end = listing.position(first), listing.position(last)
    if start > end:
        raise SpanError("data.spans.span", f"{first} is after {last}; write the older span first")
    return listing.texts(range(start, end + 1, config.every))


def span_exists(params: ExampleGenParams) -> bool:
    """Whether the run's span has files."""
    listing = _listing(params)
    return listing.has_files(_positions(_settings(params), listing)[-1])


def await_spans(params: ExampleGenParams, tell: Callable[[str], None]) -> None:
    """Waits for missing spans if the settings say so; returns when all are there or the time is over.

    Args:
        params: parameters with the run's span.
        tell: receives a line when the waiting begins and when it ends.
    """
    config = _settings(params)
    if config.missing != "wait" or not has_spans(params.interactions) or not (missing := _missing_now(params)):
        return
    seconds = config.wait_minutes * 60
    deadline = time.monotonic() + seconds
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    tell(f"waiting until {until:%H:%M} UTC for span {_some(missing)} of {_where(params)}")
    while missing and (left := deadline - time.monotonic()) > 0:
        time.sleep(min(left, _LONGEST_PAUSE, seconds / _LOOKS))
        missing = _missing_now(params)
    tell(f"span {_some(missing)} did not come in time" if missing else "all spans are there")


def _missing_now(params: ExampleGenParams) -> tuple[str, ...]:
    listing = _listing(params)
    positions = _positions(_settings(params), listing)
    return listing.texts(position for position in positions if not listing.has_files(position))


def _positions(config: SpansConfig, listing: SpanListing) -> list[int]:
    """Positions of the window, ascending; it does not begin before the data."""
    assert config.span is not None
    end = listing.position(config.span)
    first = min(listing.positions[0], end)
    found = list(range(end, first - 1, -config.every))
    return found[: config.last][::-1]


def _settings(params: ExampleGenParams) -> SpansConfig:
    return params.spans or SpansConfig()


def _listing(params: ExampleGenParams) -> SpanListing:
    assert isinstance(params.interactions, FileInteractions)
    return SpanListing.of(params.interactions, params.base_dir, _settings(params))


def _at(params: ExampleGenParams, paths: list[str]) -> ExampleGenParams:
    return params.model_copy(update={"interactions": params.interactions.model_copy(update={"path": paths})})


def _files(params: ExampleGenParams, paths: list[str]) -> list[SourceFile]:
    source = _at(params, paths).interactions
    assert isinstance(source, FileInteractions)
    return source_files(source, params.base_dir)


def _snapshot(listing: SpanListing, until: int) -> list[str]:
    return listing.paths(listing.newest(until))


def _missing(missing: tuple[str, ...], span: str, listing: SpanListing) -> str:
    named = f"span {_some(missing)}" if len(missing) == 1 else f"{len(missing)} spans ({_some(missing)})"
    verb = "is" if len(missing) == 1 else "are"
    paths = listing.paths(listing.position(missing[-1]))
    return (
        f"{named} of the window up to {span} {verb} missing: no file matches {' or '.join(paths)}; there are spans "
        f"{listing.extent()}. Bring the files, or set data.spans.missing to skip or wait"
    )


def _some(spans: tuple[str, ...]) -> str:
    more = f" and {len(spans) - _SHOWN} more" if len(spans) > _SHOWN else ""
    return ", ".join(spans[:_SHOWN]) + more


def _where(params: ExampleGenParams) -> str:
    assert isinstance(params.interactions, FileInteractions)
    return " or ".join(paths_of(params.interactions))
