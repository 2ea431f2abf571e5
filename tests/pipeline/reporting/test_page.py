"""The page as a whole: everything in it, nothing from outside, and titles that are only titles."""

import re
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from pipeline.reporting.charts.drawing import draw
from pipeline.reporting.collecting import collect
from pipeline.reporting.page import SECTIONS, render
from tests.pipeline.reporting.small_run import HOSTILE, Runs, documents


class Elements(HTMLParser):
    """Collects the elements of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    handle_startendtag = handle_starttag


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    runs, settings = Runs(tmp_path_factory.mktemp("runs")), {"name": HOSTILE}
    runs.add("r1", wrote=documents(mean=2, version=3))
    return render(collect(runs.store, runs.add("r2", settings=settings, message=HOSTILE)))


def test_every_section_is_on_the_page_of_a_whole_run(page: str) -> None:
    for section in SECTIONS:
        assert f'<section id="{section.name}"' in page
        assert f'<a href="#{section.name}">' in page
    assert "recall@5 against latency, with a ring around the chosen settings" in page


def test_titles_and_messages_are_text(page: str) -> None:
    assert HOSTILE not in page
    assert page.count("&lt;script&gt;document.title=") > 5
    scripts = [attributes for tag, attributes in Elements(page).found if tag == "script"]
    assert scripts == [{}]  # that of the page


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    elements = Elements(page).found
    addresses = [
        value
        for _, attributes in elements
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href")
    ]
    assert {str(it)[:1] for it in addresses} <= {"#", "d"}
    assert "url(" not in page
    assert not re.search(r"@import|fetch\(|XMLHttpRequest", page)
    policy = next(it["content"] for tag, it in elements if tag == "meta" and "http-equiv" in it)
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "'unsafe-eval'" not in policy


def test_the_page_of_an_early_failure_is_made(runs: Runs) -> None:
    run = runs.add("r1", wrote={}, state="failed", message=HOSTILE, ended_by="ExampleGen")
    page = render(collect(runs.store, run))
    assert "Failed in ExampleGen" in page
    assert page.index("Failed in ExampleGen") < page.index("&lt;script&gt;") < page.index('<section id="chain"')


def test_the_span_of_the_run_is_on_the_page(runs: Runs) -> None:
    run = runs.add("r1", settings={"data": {"spans": {"span": "2026-11-21"}}})
    facts = collect(runs.store, run)
    window = {"first": "2026-11-01", "last": "2026-11-21", "spans": 21}
    executions = {**facts.executions, "ExampleGen": replace(facts.executions["ExampleGen"], facts={"spans": window})}
    page = render(replace(facts, executions=executions))
    assert ", span 2026-11-21</p>" in page
    assert "2026-11-01 to 2026-11-21, 21 spans" in page


def test_without_the_drawing_library_the_page_says_so(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    page = render(collect(runs.store, runs.add("r1")))
    assert "vl-convert-python is not installed" in page
    assert "<svg" not in page
    assert '<section id="metrics"' in page


def test_a_mark_is_told_of_by_its_description_alone() -> None:
    rows = {"values": [{"x": 1, "y": 2, "tip": HOSTILE}]}
    encoding = {
        "x": {"field": "x", "type": "quantitative"},
        "description": {"field": "tip", "type": "nominal"},
    }
    svg = draw({"data": rows, "mark": "point", "encoding": encoding}, label=HOSTILE)
    elements = Elements(svg).found
    tips = [attributes["data-tip"] for _, attributes in elements if "data-tip" in attributes]
    assert tips == [HOSTILE]
    assert elements[0][1]["aria-label"] == HOSTILE
    assert [tag for tag, attributes in elements if "role" in attributes] == ["svg"]
    assert "script" not in {tag for tag, _ in elements}
