import shutil
from pathlib import Path

import pytest

from components.scann_indexer import IndexConfig, RecallTarget, ScannIndexer, ScannIndexerParams
from dataplane.artifacts import ServingModel
from tests.components.tiny_world import World, make_world
from tests.contexts import in_process


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), candidates=200)


@pytest.fixture(scope="module")
def exported(world: World, tmp_path_factory: pytest.TempPathFactory) -> ServingModel:
    serving_model = ServingModel(tmp_path_factory.mktemp("serving"))
    inputs = ScannIndexer.Inputs(world.transformed_examples, world.transform_graph, world.model)
    params = ScannIndexerParams(top_k=8, index=IndexConfig(search="tree", recall_target=RecallTarget(recall=0.9)))
    ScannIndexer(params).execute(inputs, ScannIndexer.Outputs(serving_model), in_process())
    return serving_model


@pytest.fixture
def serving_model(exported: ServingModel, tmp_path: Path) -> ServingModel:
    """A copy to be tampered with."""
    return ServingModel(Path(shutil.copytree(exported.path, tmp_path / "serving")))
