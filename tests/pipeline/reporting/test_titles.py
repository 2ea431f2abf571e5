"""Which columns candidates are called by."""

from typing import Any

import pytest

from dataplane.artifacts.statistics import StatisticsReport
from pipeline.config.settings import display_column
from pipeline.reporting.collecting import collect
from pipeline.reporting.titles import Titles, titles_of
from tests.pipeline.reporting.small_run import HOSTILE, Runs, column, documents


def titles(runs: Runs, columns: dict[str, Any] | None = None) -> Titles:
    wrote = documents()
    if columns is not None:
        table = {"candidates": {"rows": 3, "columns": {"candidate_id": column("a"), **columns}}}
        wrote[("StatisticsGen", "statistics")] = [StatisticsReport.model_validate(table)]
    return collect(runs.store, runs.add("r1", wrote=wrote)).titles


def test_titles_and_first_categories_of_the_named_candidates_are_read(runs: Runs) -> None:
    found = titles(runs)
    assert (found.title_column, found.category_column) == ("title", "genre")
    assert found.titles == {"a": HOSTILE, "b": "Bé", "c": ""}
    assert found.categories == {"a": "x", "b": "x", "c": HOSTILE}
    assert [found.of(name) for name in ("b", "c", "gone")] == ["Bé", "c", "gone"]


@pytest.mark.parametrize(
    ("columns", "title", "category"),
    [
        ({"movie_title": column("x", "y"), "other": column("x", "y")}, "movie_title", "other"),
        ({"title_id": column("x"), "title": column("x")}, "title", ""),
        ({"name": column("x"), "subtitle": column("x")}, "subtitle", ""),
        ({"colour": column("x", "y", "z"), "size": column("s", "l")}, "", "size"),
        ({"size": column("s", "l"), "main_category": column("x", "y", "z")}, "", "main_category"),
        ({"ids": column(*map(str, range(100)))}, "", ""),
    ],
)
def test_columns_are_guessed_by_name_and_by_their_values(
    runs: Runs, columns: dict[str, Any], title: str, category: str
) -> None:
    found = titles(runs, columns)
    assert (found.title_column, found.category_column) == (title, category)


@pytest.mark.parametrize(
    ("settings", "column"),
    [({"display": "genre"}, "genre"), ({"display": "tags"}, "genre"), ({"display": "gone"}, "title"), ({}, "title")],
)
def test_the_configured_column_or_feature_comes_before_the_guessed_one(
    runs: Runs, settings: dict[str, Any], column: str
) -> None:
    given = {
        "schema_version": 1, "name": "toy", "data": {"interactions": {"format": "synthetic"}},
        "features": {"candidate": {"tags": {"type": "categorical", "column": "genre"}}},
    }  # fmt: skip
    run = runs.add("r1", settings={**given, **settings})
    found = collect(runs.store, run).titles
    assert found.title_column == column
    candidates = runs.store.execution_directory("ExampleGen", "e-r1") / "examples" / "candidates"
    texts = titles_of(candidates, {"a", "c"}, display_column(run.settings))
    assert texts == {name: found.titles[name] for name in ("a", "c") if found.titles[name]}


def test_titles_of_a_missing_table_are_none(runs: Runs) -> None:
    assert titles_of(runs.root, {"a"}) == {}


def test_without_titles_candidates_are_called_by_their_ids(runs: Runs) -> None:
    assert titles(runs, {}).of("a") == "a"
