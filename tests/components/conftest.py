from typing import TYPE_CHECKING

import pytest

from components.scann_indexer import ScannIndexer, ScannIndexerParams
from dataplane.artifacts import ServingModel
from tests.contexts import in_process

if TYPE_CHECKING:
    from tests.components.tiny_world import World


@pytest.fixture(scope="session")
def attributed_world(tmp_path_factory: pytest.TempPathFactory) -> "World":
    """A world whose candidates have attributes."""
    from tests.components.attribute_table import COUNT, attributes, write_attributes
    from tests.components.tiny_world import make_world

    world = make_world(tmp_path_factory.mktemp("world"), candidates=COUNT)
    write_attributes(world.examples, attributes(COUNT))
    return world


@pytest.fixture(scope="session")
def attributed(attributed_world: "World", tmp_path_factory: pytest.TempPathFactory) -> ServingModel:
    """Its serving models, which select by the attributes."""
    from tests.components.attribute_table import COUNT, INDEX

    serving_model = ServingModel(tmp_path_factory.mktemp("serving"))
    inputs = ScannIndexer.Inputs(
        attributed_world.transformed_examples,
        attributed_world.transform_graph,
        attributed_world.model,
        examples=attributed_world.examples,
    )
    params = ScannIndexerParams(top_k=COUNT, index=INDEX)
    ScannIndexer(params).execute(inputs, ScannIndexer.Outputs(serving_model), in_process())
    return serving_model
