import shutil
from pathlib import Path

import pytest

from components.scann_indexer import IndexConfig, RecallTarget, ScannIndexer, ScannIndexerParams
from dataplane.artifacts import ServingModel
from tests.components.attribute_table import INDEX, attributes, write_attributes
from tests.components.tiny_world import World, make_world
from tests.contexts import in_process


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = make_world(tmp_path_factory.mktemp("world"), candidates=200)
    write_attributes(world.examples, attributes(200))
    return world


def export(world: World, path: Path, index: IndexConfig) -> ServingModel:
    """Exports both models, with a tree."""
    serving_model = ServingModel(path)
    inputs = ScannIndexer.Inputs(
        world.transformed_examples, world.transform_graph, world.model, examples=world.examples
    )
    index = index.model_copy(update={"search": "tree", "recall_target": RecallTarget(recall=0.9)})
    ScannIndexer(ScannIndexerParams(top_k=8, index=index)).execute(
        inputs, ScannIndexer.Outputs(serving_model), in_process()
    )
    return serving_model


@pytest.fixture(scope="module")
def exported(world: World, tmp_path_factory: pytest.TempPathFactory) -> ServingModel:
    """Without filters, whose signatures take seconds to trace."""
    return export(world, tmp_path_factory.mktemp("serving"), IndexConfig())


@pytest.fixture
def with_filters(world: World, tmp_path: Path) -> ServingModel:
    return export(world, tmp_path / "filtered", INDEX)


@pytest.fixture
def serving_model(exported: ServingModel, tmp_path: Path) -> ServingModel:
    """A copy to be tampered with."""
    return ServingModel(Path(shutil.copytree(exported.path, tmp_path / "serving")))
