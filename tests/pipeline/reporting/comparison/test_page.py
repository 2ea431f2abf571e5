"""The page of a comparison."""

from pipeline.reporting.comparison.comparison import compare
from pipeline.reporting.comparison.page import render_comparison
from tests.pipeline.reporting.comparison.compared import collected, evaluated, store_values
from tests.pipeline.reporting.small_run import HOSTILE, Runs


def test_the_page_tells_the_difference_first_and_has_every_section(runs: Runs) -> None:
    chosen = [
        runs.add("r1", wrote=evaluated(0.3), settings={"name": HOSTILE}),
        runs.add("r2", wrote=evaluated(0.4), settings={"name": "b"}),
    ]
    for run, value in (("r1", 0.25), ("r2", 0.5)):
        store_values(runs, run, {"q1": value})
    page = render_comparison(compare(collected(runs, *chosen)), runs.store.comparison_file)
    told = "B against A: ndcg@10 +0.2500 (+0.2500 … +0.2500), clearly better."
    assert "<h1>B is clearly better than A</h1>" in page
    assert page.index('<header class="good">') < page.index("Different settings: name") < page.index("<main>")
    assert page.index(told) < page.index('<section id="runs"')
    for section in ("metrics", "answers", "differences"):
        assert f'<section id="{section}"' in page
    assert page.count("<svg") == 2  # the paired metric, and recall by k
    assert "Bé <b>=</b>" in page
    assert HOSTILE not in page
    assert "&lt;script&gt;document.title=" in page


def test_a_difference_that_may_be_chance_is_no_verdict(runs: Runs) -> None:
    chosen = [runs.add(name, wrote=evaluated(0.3)) for name in ("r1", "r2")]
    for run, values in (("r1", {"q1": 0.25, "q2": 0.5}), ("r2", {"q1": 0.5, "q2": 0.25})):
        store_values(runs, run, values)
    page = render_comparison(compare(collected(runs, *chosen)), runs.store.comparison_file)
    assert '<header class="neutral">' in page
    assert "<h1>Comparison of 2 runs</h1>" in page


def test_reports_that_exist_are_linked_from_where_the_page_is(runs: Runs) -> None:
    chosen = [runs.add(name, wrote={}) for name in ("r1", "r2")]
    runs.store.report_file(chosen[0]).touch()
    page = render_comparison(compare(collected(runs, *chosen)), runs.root / "page.html")
    assert '<a href="toy/runs/r1.html">r1</a>' in page
    assert "r2.html" not in page


def test_the_page_of_runs_without_results_is_made(runs: Runs) -> None:
    failed = [runs.add(name, wrote={}, state="failed", ended_by="ExampleGen") for name in ("r1", "r2")]
    page = render_comparison(compare(collected(runs, *failed)), runs.store.comparison_file)
    assert '<section id="metrics"' not in page
    assert "The runs share no query with answers." in page
