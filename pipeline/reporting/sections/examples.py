"""Builds the example queries: history, answers, and held-out candidates."""

from collections import Counter
from dataclasses import dataclass

from dataplane.artifacts.answers import ExampleQuery
from pipeline.reporting.facts import RunFacts
from pipeline.reporting.titles import Titles


@dataclass(frozen=True)
class Named:
    """A candidate with its title; `hit` marks candidates that are both answered and relevant."""

    title: str
    candidate_id: str
    hit: bool
    note: str = ""


@dataclass(frozen=True)
class ExampleView:
    """View of a query."""

    query_id: str
    history: tuple[Named, ...]
    answers: tuple[Named, ...]
    wanted: tuple[Named, ...]
    hits: int


@dataclass(frozen=True)
class ExamplesView:
    """View of the examples.

    Attributes:
        examples: views of the queries.
        k: number of answers per query.
        with_hits: number of queries with a hit.
    """

    examples: tuple[ExampleView, ...]
    k: int
    with_hits: int


def build(facts: RunFacts) -> ExamplesView | None:
    """Builds the view; None without an evaluation."""
    answers = facts.documents.answers
    if answers is None or not answers.examples:
        return None
    examples = tuple(_example(it, facts.titles) for it in answers.examples)
    return ExamplesView(examples, answers.k, sum(it.hits > 0 for it in examples))


def _example(example: ExampleQuery, titles: Titles) -> ExampleView:
    wanted, answered = {it.candidate_id for it in example.wanted}, set(example.answers)
    return ExampleView(
        query_id=example.query_id,
        history=tuple(
            Named(titles.of(name), name, hit=False, note=f"× {times}" if times > 1 else "")
            for name, times in Counter(example.history).items()
        ),
        answers=tuple(Named(titles.of(name), name, hit=name in wanted) for name in example.answers),
        wanted=tuple(
            Named(
                titles.of(it.candidate_id),
                it.candidate_id,
                hit=it.candidate_id in answered,
                note="far down" if it.rank is None else f"rank {it.rank}",
            )
            for it in example.wanted
        ),
        hits=len(wanted & answered),
    )
