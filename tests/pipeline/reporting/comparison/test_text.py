"""The comparison as a terminal shows it."""

from pipeline.reporting.comparison.comparison import compare
from pipeline.reporting.comparison.text import comparison_text
from tests.pipeline.reporting.comparison.compared import collected, evaluated, store_values
from tests.pipeline.reporting.small_run import Runs


def test_the_tables_have_runs_metrics_answers_and_differences(runs: Runs) -> None:
    long = "x" * 100
    first = runs.add("r1", wrote=evaluated(0.3), settings={"name": "a"})
    second = runs.add("r2", wrote=evaluated(0.4), settings={"name": long}, state="refused", message="no")
    store_values(runs, "r1", {"q1": 0.25, "q2": 0.5})
    store_values(runs, "r2", {"q1": 0.5, "q2": 0.75})
    text = comparison_text(compare(collected(runs, first, second)))
    lines = text.splitlines()
    assert lines[:3] == [
        "Runs",
        "  A  toy  r1  Published as version 4",
        "  B  toy  r2  Refused: nothing was published",
    ]
    assert "  ndcg@10      0.3000  0.4000  +0.2500 (+0.2500 … +0.2500), clearly better" in lines
    assert "  B gives 100% of A's first 2 answers, and the same first answer to 100% of 1 example queries." in lines
    assert f"  Settings  name  a  {'x' * 34}…" in lines
    assert lines[-1].startswith("  Same inputs, parameters and code: ExampleGen, ")


def test_the_tables_keep_to_a_width(runs: Runs) -> None:
    first = runs.add("r1", wrote=evaluated(0.3), settings={"name": "a" * 60})
    second = runs.add("r2", wrote=evaluated(0.4), settings={"name": "b" * 60}, state="refused", message="no")
    lines = comparison_text(compare(collected(runs, first, second)), 60).splitlines()
    assert f"  Settings  name  {'a' * 19}…  {'b' * 19}…" in lines
    tables = lines[: lines.index("Answers")] + lines[lines.index("Differences") :]
    assert max(len(line) for line in tables if "  " in line.strip()) <= 60


def test_the_differences_of_each_further_run_have_a_table_of_their_own(runs: Runs) -> None:
    failed = runs.add("r3", wrote={}, state="failed", ended_by="ExampleGen")
    chosen = [runs.add("r1", wrote=evaluated(0.3)), failed, runs.add("r2", wrote=evaluated(0.4))]
    lines = comparison_text(compare(collected(runs, *chosen))).splitlines()
    assert "  ndcg@10      0.3000  –  0.4000" in lines
    assert lines[lines.index("  C − A") + 1] == "  ndcg@10      +0.1000"
    assert "  B − A" not in lines


def test_runs_without_results_are_told(runs: Runs) -> None:
    failed = [runs.add(name, wrote={}, state="failed", ended_by="ExampleGen") for name in ("r1", "r2")]
    comparison = compare(collected(runs, *failed))
    assert comparison.headlines == ("B against A: the metrics cannot be compared.",)
    assert "The runs share no query with answers." in comparison_text(comparison)
    assert "No difference in data, settings or libraries was found." in comparison_text(comparison)
