"""New attributes in the models that are served, without a new index."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.attribute_gen import AttributeGen, AttributeGenParams
from dataplane.artifacts import Examples, ServingModel
from dataplane.errors import RefusedError
from serving.model.descriptions import read_description
from serving.model.item_columns import read_item_columns
from serving.model.version_digests import check_version
from tests.components.attribute_table import COUNT, INDEX, answered, attributes
from tests.components.tiny_world import World
from tests.contexts import in_process

Refresh = Callable[..., tuple[ServingModel, dict[str, Any]]]


@pytest.fixture
def refresh(attributed_world: World, attributed: ServingModel, tmp_path: Path) -> Refresh:
    """Runs AttributeGen on a table."""

    def refresh(table: pa.Table, **params: Any) -> tuple[ServingModel, dict[str, Any]]:
        pq.write_table(table, tmp_path / "items.parquet")
        source = {"format": "parquet", "path": str(tmp_path / "items.parquet"), "id": "candidate_id"}
        settings = {"filters": INDEX.offered_filters, "max_per": INDEX.max_per, "refresh_of": {"trained": "model"}}
        world = attributed_world
        inputs = AttributeGen.Inputs(attributed, world.transformed_examples, world.transform_graph, world.model)
        outputs = AttributeGen.Outputs(Examples(tmp_path / "examples"), ServingModel(tmp_path / "serving"))
        component = AttributeGen(AttributeGenParams.model_validate({"candidates": source, **settings, **params}))
        for directory in (outputs.examples.path, outputs.serving_model.path):
            directory.mkdir()
        context = in_process(scratch=tmp_path / "scratch")
        return outputs.serving_model, dict(component.execute(inputs, outputs, context))

    return refresh


def test_models_answer_by_the_new_attributes_and_are_whole(refresh: Refresh, attributed: ServingModel) -> None:
    table = attributes(COUNT - 20, price=2.0).drop_columns(["country"])
    table = table.append_column("country", pa.array([f"new {n}" for n in range(COUNT - 20)]))
    other = table.slice(0, 1).set_column(0, "candidate_id", pa.array(["unserved"]))
    serving_model, facts = refresh(pa.concat_tables([table, other]), item_columns=["country"])
    assert (facts["candidates"], facts["without_row"], facts["not_served"]) == (COUNT, 20, 1)
    options: list[dict[str, Any]] = [
        {"where_price_max": 20},
        {"where_country": ["new 4", "nl"]},
        {"where_taboo": ["nothing"]},
        {},
    ]
    wanted: list[set[int]] = [{n for n in range(11) if n % 7 != 3}, {4}, set(range(COUNT)), set(range(COUNT))]
    for name in ("exact", "scann"):
        model, before = serving_model.path / name, read_description(attributed.path / name)
        assert answered(model, options) == wanted
        assert check_version(model) == []
        description = read_description(model)
        changed = {key for key in description.identity if description.identity[key] != before.identity.get(key)}
        assert changed == {"attributes", "item_columns"}
        assert description.refresh_of == {"trained": "model"}
        items = read_item_columns(model)
        assert items is not None
        assert items.of(["c00007"], ["country"]) == [{"country": "new 7"}]


def test_a_table_that_lost_too_much_is_refused(refresh: Refresh) -> None:
    with pytest.raises(RefusedError, match=r"61 of the 120 served candidates are missing from the new table of 59"):
        refresh(attributes(59))


@pytest.mark.parametrize("params", [{"filters": {}}, {"max_per": ()}, {"filters": {"country": {"kind": "none_of"}}}])
def test_other_filters_than_those_of_the_index_are_refused(refresh: Refresh, params: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match="new attributes need a new index"):
        refresh(attributes(COUNT), **params)
