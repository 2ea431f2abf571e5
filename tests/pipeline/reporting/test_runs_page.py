"""The page that lists the runs of a pipeline."""

from pipeline.reporting.overview import overviews
from pipeline.reporting.runs_page import render_runs
from tests.pipeline.reporting.small_run import HOSTILE, Runs


def page_of(runs: Runs, *, left_out: int = 0) -> str:
    return render_runs("toy", list(overviews(runs.store, runs.store.runs())), with_report={"r1"}, left_out=left_out)


def test_runs_are_listed_newest_first_with_their_results(runs: Runs) -> None:
    runs.add("r1")
    runs.add("r2", wrote={}, state="failed", message=f"{HOSTILE}\nmore", ended_by="ExampleGen")
    page = page_of(runs)
    assert page.index("<small>r2, ") < page.index('<a href="r1.html">')
    assert "<b>Failed in ExampleGen: nothing was published</b>" in page
    assert '<a href="r1.html">2026-11-29 08:00 UTC</a>' in page
    assert '"r2.html"' not in page
    assert "ndcg@10 <b>0.3000</b><br><small>(0.2500 … 0.3500)</small>" in page
    assert "2 min 05 s" in page
    assert HOSTILE not in page
    assert "&lt;script&gt;document.title=" in page
    newest = "Newest run, 2026-11-29 08:00 UTC: Failed in ExampleGen: nothing was published."
    published = "Newest published version: 4, run of 2026-11-29 08:00 UTC: ndcg@10 0.3000 (0.2500 … 0.3500)."
    assert page.index('<header class="bad">') < page.index(newest) < page.index(published)
    assert "older runs are left out" not in page


def test_metrics_are_drawn_by_date(runs: Runs) -> None:
    runs.add("r1")
    page = page_of(runs, left_out=1200)
    assert page.count("<svg") == 2  # NDCG and recall
    tip = 'data-tip="two-tower, 2026-11-29 08:00 UTC: 0.3000 (0.2500 … 0.3500), Published as version 4"'
    assert tip in page
    assert 'data-tip="popularity, 2026-11-29 08:00 UTC: 0.1500, Published as version 4"' in page
    assert "1,200 older runs are left out" in page


def test_the_newest_published_version_has_a_ring(runs: Runs) -> None:
    runs.add("r1")
    refused = Runs(runs.root.parent / "other")
    refused.add("r1", state="refused", ended_by="Pusher")
    strokes = [page_of(it).count('stroke-width="2"') for it in (runs, refused)]
    assert strokes[0] == strokes[1] + 2  # a ring in each chart


def test_without_results_there_is_no_chart(runs: Runs) -> None:
    runs.add("r1", wrote={}, state="failed", ended_by="ExampleGen")
    page = page_of(runs)
    assert "<svg" not in page
    assert "No run on this page published a version." in page
