"""How much the answers of runs have in common."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from dataplane.artifacts.answers import Answers
from pipeline.execution.metadata import Run, Step
from pipeline.reporting.comparison.overlap import Answer, compare_answers, shared_examples
from tests.pipeline.reporting.comparison.compared import collected
from tests.pipeline.reporting.small_run import ANSWERS, HOSTILE, Runs, documents

EXAMPLE = ANSWERS["examples"][0]  # type: ignore[index]


def add(runs: Runs, name: str, answers: Mapping[str, Sequence[str]]) -> Run:
    """A run whose example queries have these answers."""
    examples = [{**EXAMPLE, "query_id": query, "answers": of} for query, of in answers.items()]
    wrote = documents()
    wrote[("Evaluator", "evaluation")] = [Answers.model_validate({**ANSWERS, "examples": examples})]
    return runs.add(name, wrote=wrote)


def recommend(runs: Runs, run: Run, answers: Mapping[str, Sequence[str]]) -> None:
    """Gives a run recommendations to all queries."""
    run.steps.append(Step("BulkInferrer", "run", f"e-{run.id}"))
    directory = runs.store.execution_directory("BulkInferrer", f"e-{run.id}") / "recommendations" / "recommendations"
    directory.mkdir(parents=True)
    table = pa.table({"query_id": list(answers), "candidate_ids": list(answers.values())})
    pq.write_table(table, directory / "part-00000.parquet")


def test_example_queries_that_both_runs_have_are_compared(runs: Runs) -> None:
    first = add(runs, "r1", {"q1": ["a", "b"], "q2": ["a", "b"], "q3": ["c"]})
    second = add(runs, "r2", {"q1": ["a", "c"], "q2": ["b", "a"]})
    (overlap,) = compare_answers(collected(runs, first, second))
    assert (overlap.letter, overlap.queries, overlap.k) == ("B", 2, 2)
    assert (overlap.common, overlap.same_first) == (0.75, 0.5)
    assert overlap.told("A") == (
        "B gives 75.0% of A's first 2 answers, and the same first answer to 50.0% of 2 example queries."
    )


def test_recommendations_to_all_queries_are_preferred(runs: Runs) -> None:
    first, second = add(runs, "r1", {"q1": ["a"]}), add(runs, "r2", {"q1": ["b"]})
    recommend(runs, first, {"q1": [*"abcdefghij", "x"], "q2": ["a"], "q3": ["a"]})
    recommend(runs, second, {"q2": ["a"], "q1": [*"jihgfedcba", "y"]})
    (overlap,) = compare_answers(collected(runs, first, second))
    assert (overlap.queries, overlap.k, overlap.source) == (2, 10, "queries with recommendations")
    assert (overlap.common, overlap.same_first) == (1.0, 0.5)


def test_runs_that_share_no_query_have_no_overlap(runs: Runs) -> None:
    chosen = [add(runs, "r1", {"q1": ["a"]}), add(runs, "r2", {"q2": ["a"]})]
    assert compare_answers(collected(runs, *chosen)) == ()
    assert shared_examples(collected(runs, *chosen)) == ()


def test_shared_examples_have_titles_and_tell_what_is_shared(runs: Runs) -> None:
    chosen = [add(runs, "r1", {"q1": ["a", "b"], "q2": []}), add(runs, "r2", {"q1": ["c", "b"]})]
    (example,) = shared_examples(collected(runs, *chosen))
    assert example.query_id == "q1"
    assert example.answers == (
        (Answer(HOSTILE, shared=False), Answer("Bé", shared=True)),
        (Answer("c", shared=False), Answer("Bé", shared=True)),
    )
