"""Test queries with what was known, what was answered and what was wanted."""

from dataclasses import dataclass

from dataplane.artifacts.answers import ExampleQuery
from pipeline.reporting.facts import RunFacts
from pipeline.reporting.titles import Titles


@dataclass(frozen=True)
class Named:
    """A candidate as readers see it; `hit` is whether it was wanted and answered, or the other way round."""

    title: str
    candidate_id: str
    hit: bool
    note: str = ""


@dataclass(frozen=True)
class ExampleView:
    """One query."""

    query_id: str
    history: tuple[Named, ...]
    answers: tuple[Named, ...]
    wanted: tuple[Named, ...]
    hits: int


@dataclass(frozen=True)
class ExamplesView:
    """The section.

    Attributes:
        examples: the queries.
        k: how many answers each has.
        with_hits: how many have a wanted candidate among their answers.
    """

    examples: tuple[ExampleView, ...]
    k: int
    with_hits: int


def build(facts: RunFacts) -> ExamplesView | None:
    """The examples; None if there are none."""
    answers = facts.documents.answers
    if answers is None or not answers.examples:
        return None
    examples = tuple(_example(it, facts.titles) for it in answers.examples)
    return ExamplesView(examples, answers.k, sum(it.hits > 0 for it in examples))


def _example(example: ExampleQuery, titles: Titles) -> ExampleView:
    wanted, answered = {it.candidate_id for it in example.wanted}, set(example.answers)
    return ExampleView(
        query_id=example.query_id,
        history=tuple(Named(titles.of(name), name, hit=False) for name in example.history),
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
