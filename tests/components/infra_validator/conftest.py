import shutil
from pathlib import Path

import pytest

from components.scann_indexer import RecallTarget, ScannIndexer, ScannIndexerParams
from dataplane.artifacts import ServingModel
from tests.components.attribute_table import INDEX, attributes, write_attributes
from tests.components.tiny_world import World, make_world
from tests.contexts import in_process


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = make_world(tmp_path_factory.mktemp("world"), candidates=200)
    write_attributes(world.examples, attributes(200))
    return world


@pytest.fixture(scope="module")
def exported(world: World, tmp_path_factory: pytest.TempPathFactory) -> ServingModel:
    serving_model = ServingModel(tmp_path_factory.mktemp("serving"))
    inputs = ScannIndexer.Inputs(
        world.transformed_examples, world.transform_graph, world.model, examples=world.examples
    )
    index = INDEX.model_copy(update={"search": "tree", "recall_target": RecallTarget(recall=0.9)})
    params = ScannIndexerParams(top_k=8, index=index)
    ScannIndexer(params).execute(inputs, ScannIndexer.Outputs(serving_model), in_process())
    return serving_model


@pytest.fixture
def serving_model(exported: ServingModel, tmp_path: Path) -> ServingModel:
    """A copy to be tampered with."""
    return ServingModel(Path(shutil.copytree(exported.path, tmp_path / "serving")))
