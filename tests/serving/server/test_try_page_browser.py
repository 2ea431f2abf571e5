"""The page in a real browser, over a real server with stand-ins for models."""

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn

from tests.chromium import needs_chromium
from tests.serving.server.try_page_app import HOSTILE, Model, Records, app_with_page

pytestmark = needs_chromium


@dataclass(frozen=True)
class Site:
    base: str
    exact: Model
    scann: Model


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    exact, scann = Model(["a", "b", "d"]), Model(["b", "e", "f"])
    app = app_with_page({"toy-scann": scann, "toy": exact}, records=Records())
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    running = threading.Thread(target=server.run)
    running.start()
    while not server.started:
        time.sleep(0.05)
    yield Site(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", exact, scann)
    server.should_exit = True
    running.join()


def visit(browser: Any, site: Site, *, width: int = 1280, scheme: str = "light") -> tuple[Any, list[str]]:
    """The open page, and what the console said and which requests left the server."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith((site.base, "data:")) else wrong.append(request.url),
    )
    page.goto(site.base)
    page.wait_for_selector("#features input")
    return page, wrong


def columns(page: Any) -> dict[str, list[str]]:
    """What each column of the answers lists, by its heading."""
    return {
        section.query_selector("h2").inner_text(): [it.inner_text() for it in section.query_selector_all("li button")]
        for section in page.query_selector_all("#answers section")
    }


def test_a_stored_query_shows_history_and_both_answers_by_title(browser: Any, site: Site) -> None:
    page, wrong = visit(browser, site)
    page.fill("#query", "q1")
    page.press("#query", "Tab")
    page.wait_for_selector("#answers section")
    assert [it.inner_text() for it in page.query_selector_all(".tag")] == ["only here"] * 2
    assert columns(page) == {
        "History": ["c", HOSTILE, "Alien"],
        "toy": ["Alien", HOSTILE, "d"],
        "toy-scann": [HOSTILE, "e", "f"],
    }
    assert re.search(r"[\d.]+ ms round trip, 1 of 3 shared", page.inner_text("#answers"))
    assert page.title() == "Try the model"
    assert site.exact.asked[-1].rows[0]["history"] == ["a", "b", "c"]
    assert wrong == []


def test_typed_features_filters_and_the_number_of_answers_are_asked_for(browser: Any, site: Site) -> None:
    page, wrong = visit(browser, site)
    page.fill("input[name=country]", "NL")
    page.fill("input[name=age]", "33")
    page.fill("input[name=history]", '["x,y"]')
    page.click("summary")
    page.fill("#exclude_ids", "a, e")
    page.fill("#k", "1")
    page.click("button[type=submit]")
    page.wait_for_selector("#answers section")
    assert columns(page) == {"History": ["x,y"], "toy": [HOSTILE], "toy-scann": [HOSTILE]}
    asked = site.scann.asked[-1]
    assert asked.signature == "recommend_filtered"
    row = asked.rows[0]
    assert asked.k == 1
    assert (row["country"], row["age"], row["history"], row["exclude_ids"]) == ("NL", 33, ["x,y"], ["a", "e"])
    assert wrong == []


def test_repeats_in_a_history_are_one_line(browser: Any, site: Site) -> None:
    page, wrong = visit(browser, site)
    page.fill("input[name=history]", "d, e, d, a, d, e")
    page.click("button[type=submit]")
    page.wait_for_selector("#answers section")
    assert columns(page)["History"] == ["e", "d", "Alien"]
    assert [it.inner_text() for it in page.query_selector_all("#answers section:first-child .tag")] == ["× 2", "× 3"]
    assert wrong == []


def test_attributes_that_the_model_declares_are_fields(browser: Any, site: Site) -> None:
    page, wrong = visit(browser, site)
    page.click("summary")
    assert page.inner_text("#options").split("\n") == [
        "genre: any of",
        "in_stock: is",
        "price: from",
        "price: to",
        "At most per brand",
        "Relevance against diversity",
    ]
    for name, text in {
        "where_genre": "war, drama",
        "where_price_min": "2020-01-02 00:30",
        "where_price_max": "1e10",
        "max_per_brand": "2",
    }.items():
        page.fill(f"input[name={name}]", text)
    page.fill("#exclude_ids", "a")
    page.click("button[type=submit]")
    page.wait_for_selector("#answers section")
    asked = site.exact.asked[-1]
    assert asked.signature == "recommend_where"
    given = {"where_genre": ["war", "drama"], "where_price_min": 1577925000, "where_price_max": 1e10}
    assert given.items() <= {**asked.rows[0]}.items()
    assert (asked.rows[0]["max_per_brand"], asked.rows[0]["exclude_ids"]) == (2, ["a"])
    page.click("#answers li button")
    page.wait_for_selector("text=Similar to")
    asked = site.scann.asked[-1]
    assert (asked.signature, asked.rows[0]["where_genre"]) == ("similar_where", ["war", "drama"])
    assert wrong == []


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("input[name=where_price_min]", "soon", "'soon' is neither a number nor a date"),
        ("#allow_ids", "a", "'Only among' cannot be combined"),
    ],
)
def test_filters_that_cannot_be_asked_for_are_told(
    browser: Any, site: Site, field: str, text: str, message: str
) -> None:
    page, _ = visit(browser, site)
    page.click("summary")
    page.fill("input[name=where_genre]", "war")
    page.fill(field, text)
    page.click("button[type=submit]")
    page.wait_for_selector("#error:not(:empty)")
    assert message in page.inner_text("#error")


def test_a_candidate_shows_similar_ones_and_an_error_is_told(browser: Any, site: Site) -> None:
    page, wrong = visit(browser, site)
    page.click("button[type=submit]")
    page.click("#answers li button")
    page.wait_for_selector("text=Similar to")
    assert columns(page) == {"Similar to": ["Alien"], "toy": ["Alien", HOSTILE], "toy-scann": [HOSTILE, "e"]}
    assert wrong == []
    page.fill("#query", "q9")
    page.press("#query", "Tab")
    page.wait_for_selector("#error:not(:empty)")
    assert "'q9' is not among" in page.inner_text("#error")


def test_an_example_is_asked_for_at_once(browser: Any, site: Site) -> None:
    page, wrong = visit(browser, site)
    page.click("#examples button")
    page.wait_for_selector("#answers section")
    assert page.input_value("#query") == "q1"
    assert site.exact.asked[-1].rows[0]["history"] == ["a", "b", "c"]
    assert page.get_attribute("#k", "max") == "100"
    assert wrong == []


def test_without_stored_queries_and_attributes_there_are_no_fields_for_them(browser: Any, site: Site) -> None:
    page = browser.new_page()

    def without(route: Any) -> None:
        told = route.fetch().json()
        for model in told["models"].values():
            del model["signatures"]["recommend_where"]
        route.fulfill(json={**told, "queries": []})

    page.route("**/page/models", without)
    page.goto(site.base)
    page.wait_for_selector("#features input")
    page.click("summary")
    assert [page.is_visible(part) for part in ("#k", "#query", "#examples", "#options")] == [True, False, False, False]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_everyone_can_read_it(browser: Any, site: Site, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page, wrong = visit(browser, site, width=width, scheme=scheme)
    page.click("summary")
    page.fill("#query", "q1")
    page.press("#query", "Tab")
    page.wait_for_selector("#answers section")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = axe.run(page).response["violations"]
    assert [it["id"] for it in found if it["impact"] in ("serious", "critical")] == []
    assert wrong == []
