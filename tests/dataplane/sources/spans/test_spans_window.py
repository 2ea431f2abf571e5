"""The window of spans that a run reads: local files and files in stores are listed alike."""

import pytest
from pydantic import ValidationError

from components.example_gen import ExampleGenParams
from dataplane.errors import DataError
from dataplane.sources.config import FileInteractions
from dataplane.sources.spans.listing import SpanError
from dataplane.sources.spans.window import at_newest, await_spans, pinned, resolved, span_exists, spans_between
from tests import stored
from tests.components.source_runs import PAIR


@pytest.fixture
def place(tmp_path):
    return str(tmp_path)


def fill(place, *spans, path="events/dt={}/e.csv"):
    for span in spans:
        stored.write(f"{place}/{path.format(span)}", b"u,i\na,x\n")


def params(place, path="events/dt={SPAN}/*.csv", tables=None, **spans):
    paths = [path] if isinstance(path, str) else path
    source = {"format": "csv", "path": [f"{place}/{each}" for each in paths], "columns": PAIR}
    return ExampleGenParams.model_validate({"interactions": source, **(tables or {}), "spans": spans})


def window(given):
    """Spans, and the paths that are read."""
    data, found = resolved(given)
    assert found is not None
    assert isinstance(data.interactions, FileInteractions)
    return list(found.files), data.interactions.path


def test_a_window_ends_at_the_newest_span(place):
    fill(place, "2026-11-28", "2026-11-29", "2026-11-30", "2026-12-01")
    spans, paths = window(params(place, last=3))
    assert spans == ["2026-11-29", "2026-11-30", "2026-12-01"]
    assert paths == [f"{place}/events/dt={span}/*.csv" for span in spans]
    assert window(params(place, last=2, span="2026-11-29"))[0] == ["2026-11-28", "2026-11-29"]
    assert window(params(place))[0] == ["2026-11-28", "2026-11-29", "2026-11-30", "2026-12-01"]
    assert window(params(place, last=9))[0][0] == "2026-11-28", "no span is missed before the data begin"


def test_the_span_takes_the_notation_of_the_source(place):
    fill(place, "20261129", "20261130")
    given = pinned(params(place, span="2026-11-29"))
    assert given.spans.span == "20261129"
    assert window(given)[0] == ["20261129"]


@pytest.mark.parametrize(
    ("path", "spans"),
    [
        ("events/dt={SPAN}", ["2026-11-29", "2026-11-30"]),
        ("events/{SPAN}.csv", ["0009", "0010"]),
        ("e*/day-{SPAN}/e-{SPAN}.csv", ["2026-11-29T23", "2026-11-30T00"]),
    ],
)
def test_the_placeholder_stands_in_any_part_of_a_path(place, path, spans):
    fill(
        place, *spans, path=path.replace("{SPAN}", "{0}").replace("*", "vents") + ("/e.csv" if path[-1] == "}" else "")
    )
    assert window(params(place, path))[0] == spans


def test_a_span_needs_files_of_every_path(place):
    fill(place, "1", "2", path="clicks/{}.csv")
    fill(place, "1", path="orders/{}.csv")
    assert window(params(place, ["clicks/{SPAN}.csv", "orders/{SPAN}.csv"]))[0] == ["1"]


def test_directories_without_files_and_other_names_are_no_spans(place, tmp_path):
    fill(place, "2026-11-29", "backup")
    (tmp_path / "events/dt=2026-11-30").mkdir()
    _, found = resolved(params(place))
    assert list(found.files) == ["2026-11-29"]
    assert found.facts()["notes"] == ["backup in the place of a span is none, and is not read"]


def test_missing_spans_fail_or_are_left_out(place):
    fill(place, "2026-11-26", "2026-11-27", "2026-11-29")
    late = params(place, last=4, span="2026-11-30")
    with pytest.raises(DataError, match=r"2 spans \(2026-11-28, 2026-11-30\) of the window .* are missing"):
        resolved(late)
    _, found = resolved(params(place, last=4, span="2026-11-30", missing="skip"))
    assert (list(found.files), found.missing) == (["2026-11-27", "2026-11-29"], ("2026-11-28", "2026-11-30"))
    assert found.facts()["notes"] == ["span 2026-11-28, 2026-11-30 has no files and is left out"]
    assert not span_exists(late)
    assert span_exists(params(place, span="2026-11-29"))
    assert window(params(place, every=3, last=2))[0] == ["2026-11-26", "2026-11-29"], "spans of three days"


def test_waiting_ends_when_the_span_comes_or_the_time_is_over(place):
    fill(place, "2026-11-29")
    told = []

    def tell(line):
        told.append(line)
        if len(told) == 1:
            fill(place, "2026-11-30")

    late = params(place, span="2026-11-30", missing="wait", wait_minutes=0.02)
    await_spans(late, tell)
    assert told[0].endswith(f"for span 2026-11-30 of {place}/events/dt={{SPAN}}/*.csv")
    assert told[1:] == ["all spans are there"]
    told.clear()
    await_spans(params(place, span="2026-12-01", missing="wait", wait_minutes=0.001), told.append)
    assert told[-1] == "span 2026-12-01 did not come in time"
    await_spans(params(place, span="2026-12-01"), told.append)
    assert len(told) == 2, "only 'wait' waits"


def test_a_table_with_spans_is_a_snapshot(place):
    fill(place, "2026-11-28", "2026-11-29", "2026-11-30")
    fill(place, "2026-11-27", "2026-11-29", path="items/{}.csv")
    items = {"format": "csv", "path": f"{place}/items/{{SPAN}}.csv", "id": "i"}
    given = params(place, tables={"candidates": items})
    assert pinned(given).candidates.path == [f"{place}/items/2026-11-29.csv"]
    earlier = params(place, tables={"candidates": items}, span="2026-11-28")
    assert pinned(earlier).candidates.path == [f"{place}/items/2026-11-27.csv"]


def test_headers_are_those_of_the_newest_span_with_files(place):
    fill(place, "2026-11-28", "2026-11-29")
    newest = at_newest(params(place, span="2026-11-30", missing="wait"))
    assert newest.interactions.path == [f"{place}/events/dt=2026-11-29/*.csv"]


def test_spans_of_a_backfill(place):
    fill(place, "2026-11-29", "2026-12-02")
    assert spans_between(params(place), "2026-11-29", "2026-12-01") == ("2026-11-29", "2026-11-30", "2026-12-01")
    with pytest.raises(SpanError, match="2026-12-01 is after 2026-11-29"):
        spans_between(params(place), "2026-12-01", "2026-11-29")


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"span": "7"}, "data.spans.span", "7 is no date, as the spans are: 2026-11-28 to 2026-11-29"),
        ({"span": "2026-11-01"}, "data.spans.span", "no span up to 2026-11-01 has files"),
        ({"kind": "hour"}, "data.interactions.path", "names no span, but 2026-11-28, .*; data.spans.kind is hour"),
        ({"path": "clicks/{SPAN}.csv"}, "data.interactions.path", "does not exist for any span"),
    ],
)
def test_what_does_not_fit_names_its_key(place, changes, key, message):
    fill(place, "2026-11-28", "2026-11-29")
    with pytest.raises(SpanError, match=message) as caught:
        pinned(params(place, **changes))
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("path", "spans", "message"),
    [
        ("e/{DATE}.csv", None, "has {DATE} in .*; allowed: {SPAN}"),
        (["e/{SPAN}.csv", "old.csv"], None, "needs {SPAN} in all its paths or in none"),
        ("e.csv", {"last": 3}, "'spans' needs {SPAN} in 'interactions.path'"),
        ({"train": "e/{SPAN}.csv"}, None, "cannot have {SPAN} and splits"),
        ("e/{SPAN}.csv", {"span": "today"}, "is not a span; allowed: 2026-11-21"),
        ("e/{SPAN}.csv", {"last": 0}, "greater than or equal to 1"),
    ],
)
def test_paths_and_settings_are_checked(path, spans, message):
    source = {"format": "csv", "path": path, "columns": PAIR}
    with pytest.raises(ValidationError, match=message):
        ExampleGenParams.model_validate({"interactions": source, "spans": spans})


def test_a_table_alone_has_no_spans():
    tables = {"interactions": {"format": "csv", "path": "e.csv", "columns": PAIR},
              "queries": {"format": "csv", "path": "q/{SPAN}.csv", "id": "u"}}  # fmt: skip
    with pytest.raises(ValidationError, match=r"'queries.path' has {SPAN}, so 'interactions.path' needs it too"):
        ExampleGenParams.model_validate(tables)


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_spans_in_a_store(request, scheme):
    bucket = request.getfixturevalue(f"{scheme}_bucket")
    fill(bucket, "2026-11-28", "2026-11-30")
    assert window(params(bucket, last=1))[0] == ["2026-11-30"]
    with pytest.raises(DataError, match="span 2026-11-29 of the window up to 2026-11-30 is missing"):
        resolved(params(bucket, last=2))
