"""The page in a real browser: nothing fails, nothing is loaded, everyone can read it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.reporting.comparison.comparison import compare
from pipeline.reporting.comparison.page import render_comparison
from pipeline.reporting.writing import write_report
from tests.chromium import needs_chromium
from tests.pipeline.reporting.comparison.compared import collected, store_values
from tests.pipeline.reporting.small_run import HOSTILE, Runs, documents

pytestmark = needs_chromium

PAGES = ("published", "refused", "runs", "compared")
WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A published run's report, one refused before anything was trained, the list of both, and a comparison."""
    runs = Runs(tmp_path_factory.mktemp("runs"))
    runs.add("r1", wrote=documents(mean=2, version=3))
    settings = {"name": HOSTILE, "training": {"max_epochs": 2}}
    made = {
        "published": runs.add("r2", settings=settings),
        "refused": runs.add("r3", state="refused", message=f"drift\n{HOSTILE}", ended_by="ExampleValidator"),
    }
    pages = {name: write_report(runs.store, run) for name, run in made.items()}
    for run, value in (("r1", 0.25), ("r2", 0.5)):
        store_values(runs, run, {"q1": value})
    compared = compare(collected(runs, *runs.store.runs()))
    runs.store.comparison_file.write_text(render_comparison(compared, runs.store.comparison_file), encoding="utf-8")
    return pages | {"runs": runs.store.index_file, "compared": runs.store.comparison_file}


class Visit:
    """A page that is open, with all that it said and asked for."""

    def __init__(self, browser: Any, file: Path, *, width: int = 1280, scheme: str = "light") -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri())


@pytest.fixture
def visit(browser: Any, files: dict[str, Path]) -> Iterator[Any]:
    opened: list[Visit] = []

    def opening(name: str, **options: Any) -> Visit:
        opened.append(Visit(browser, files[name], **options))
        return opened[-1]

    yield opening
    for it in opened:
        it.page.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_the_page_opens_without_an_error_or_a_request(
    visit: Any, files: dict[str, Path], name: str, width: int
) -> None:
    opened = visit(name, width=width)
    assert opened.said == []
    assert [url for url in opened.asked if not url.startswith("data:")] == [files[name].as_uri()]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("name", "more_than"), [("published", 5), ("runs", 1), ("compared", 1)])
def test_nothing_is_wider_than_the_window(visit: Any, width: int, name: str, more_than: int) -> None:
    page = visit(name, width=width).page
    assert page.evaluate("document.documentElement.scrollWidth") == width
    charts = page.locator("svg").evaluate_all("all => all.map(it => it.getBoundingClientRect().width)")
    assert len(charts) > more_than
    assert all(150 < chart < width for chart in charts)


def test_a_title_with_a_script_is_shown_and_does_nothing(visit: Any) -> None:
    page = visit("published").page
    assert page.title() == "toy: Published as version 4"
    assert page.get_by_text(HOSTILE, exact=True).count() > 1


def test_an_injected_script_would_not_run(browser: Any, files: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "injected.html"
    page = files["published"].read_text(encoding="utf-8")
    file.write_text(page.replace("</main>", "<script>document.title='taken'</script></main>"), encoding="utf-8")
    opened = Visit(browser, file)
    assert opened.page.title() != "taken"
    assert "Content Security Policy" in opened.said[0]
    opened.page.close()


def test_pointing_at_a_mark_shows_what_it_is(visit: Any) -> None:
    page = visit("published").page
    tip = page.locator("#tip")
    assert tip.is_hidden()
    mark = page.locator('#candidate_map [data-tip^="Bé"]')
    mark.scroll_into_view_if_needed()
    mark.hover()
    assert tip.text_content() == "Bé · x"
    assert tip.is_visible()
    page.locator("h1").hover()
    assert tip.is_hidden()


def test_colours_follow_the_scheme(visit: Any) -> None:
    fills = [
        visit("published", scheme=scheme)
        .page.locator("#candidate_map [data-tip]")
        .first.evaluate("it => [getComputedStyle(it).fill, getComputedStyle(document.body).backgroundColor]")
        for scheme in SCHEMES
    ]
    assert fills[0][0] != fills[1][0]
    assert fills[0][1] != fills[1][1]


def test_a_printed_page_has_all_of_it(visit: Any) -> None:
    page = visit("published").page
    hidden = page.locator("details:not([open])")
    assert hidden.count() > 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert hidden.count() == 0
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden()
    assert page.locator("#metrics svg").first.is_visible()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(visit: Any, name: str, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit(name, width=width, scheme=scheme).page
    page.evaluate("document.querySelectorAll('details').forEach(it => { it.open = true; })")
    found = axe.run(page).response
    told = [
        (it["id"], [node["html"] for node in it["nodes"]][:3]) for it in found["violations"] if it["impact"] in SERIOUS
    ]
    assert told == []
    assert "color-contrast" in {it["id"] for it in found["passes"]}
