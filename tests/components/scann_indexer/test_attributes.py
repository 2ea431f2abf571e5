"""Exported models answer by the attributes of the candidate table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from components.scann_indexer import IndexConfig
from dataplane.artifacts import Examples, ServingModel
from dataplane.errors import DataError
from serving.model.candidate_attributes import attributes_digest, read_attributes
from serving.model.descriptions import read_description, read_identity
from tests.components.attribute_table import COUNT, FIRST, IDS, INDEX, answered
from tests.components.tiny_world import World

KEEP: list[tuple[dict[str, Any], Callable[[int], bool]]] = [
    ({}, lambda n: True),
    ({"where_country": ["de", "é"]}, lambda n: n % 7 != 3 and n % 3 > 0),
    ({"where_country": ["nowhere"]}, lambda n: False),
    ({"where_genres": ["war", "drama"]}, lambda n: n % 7 != 3 and n % 2 == 1 and n % 3 > 0),
    ({"where_taboo": ["war"]}, lambda n: n % 7 == 3 or n % 2 == 0),
    ({"where_in_stock": "true"}, lambda n: n % 7 != 3 and n % 2 == 0),
    ({"where_price_min": 30, "where_price_max": 40.5}, lambda n: n % 7 != 3 and 30 <= n <= 40),
    ({"where_released_max": (FIRST.timestamp() + 9 * 86400)}, lambda n: n % 7 != 3 and n <= 9),
    ({"where_country": ["nl"], "where_price_max": 50, "where_in_stock": "false"},
     lambda n: n % 7 != 3 and n % 3 == 0 and n <= 50 and n % 2 == 1),
]  # fmt: skip


@pytest.mark.parametrize("name", ["exact", pytest.param("scann", marks=pytest.mark.slow)])
def test_models_answer_by_the_attributes_of_the_table(attributed: ServingModel, name: str) -> None:
    found = answered(attributed.path / name, [options for options, _ in KEEP])
    assert found == [{row for row in range(COUNT) if keep(row)} for _, keep in KEEP]


def test_the_description_has_the_filters_and_the_identity_the_attributes(
    attributed_world: World, attributed: ServingModel
) -> None:
    description = read_description(attributed.path / "exact")
    assert description.filters == {name: it.kind for name, it in INDEX.offered_filters.items()}
    ids = pa.array(IDS, pa.large_string())
    table = read_attributes(attributed_world.examples, ids, filters=INDEX.offered_filters, max_per=["country"])
    assert read_identity(attributed.path / "scann")["attributes"] == attributes_digest(table)
    fewer = read_attributes(attributed_world.examples, ids, filters=INDEX.offered_filters, max_per=[])
    assert attributes_digest(fewer) != attributes_digest(table)


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"genres": "equals"}, r"index.filters.genres: column 'genres' .* is list<string>; equals needs single values"),
        ({"country": "range"}, r"index.filters.country: column 'country' .* is string; range needs numbers or timest"),
        (
            {"released": "any_of"},
            r"column 'released' of the candidate table is timestamp; any_of needs values or lists",
        ),
        ({"size": "any_of"}, r"index.filters.size: the candidate table has no column 'size'; it has"),
    ],
)
def test_a_column_that_does_not_fit_is_refused(attributed_world: World, filters: dict[str, str], message: str) -> None:
    config = IndexConfig.model_validate({"filters": filters})
    with pytest.raises(DataError, match=message):
        read_attributes(attributed_world.examples, pa.array(IDS), filters=config.offered_filters, max_per=[])


def test_filters_without_a_candidate_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="need a candidate table"):
        read_attributes(Examples(tmp_path), pa.array(IDS), filters=INDEX.offered_filters, max_per=[])
