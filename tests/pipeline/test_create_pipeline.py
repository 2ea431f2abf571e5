from pathlib import Path

import pytest

from pipeline.config.config import load_config
from pipeline.create_pipeline import create_pipeline
from pipeline.execution.dag import Node
from pipeline.execution.fingerprint import Ingredients

_CONFIG = "schema_version: 1\nname: tiny\ndata: {interactions: {format: synthetic}}\n"


def nodes(directory: Path, *settings: str) -> dict[str, Node]:
    file = directory / "tiny.yaml"
    file.write_text(_CONFIG)
    return {node.id: node for node in create_pipeline(load_config(file, settings), directory / "runs").nodes}


def test_a_final_fit_is_what_is_indexed_and_published_but_not_what_is_evaluated(tmp_path: Path) -> None:
    chain = nodes(tmp_path, "training.final_fit=true")
    assert chain["Evaluator"].inputs["model"].node == "Trainer"
    assert chain["Evaluator"].inputs["transformed_examples"].node == "Transform"
    assert chain["FinalTrainer"].inputs["reference"].node == "Trainer"
    for name in ("ScannIndexer", "BulkInferrer"):
        assert {ref.node for ref in chain[name].inputs.values()} <= {"FinalTransform", "FinalTrainer", "ScannIndexer"}


def test_asking_for_a_final_fit_keeps_the_first_one(tmp_path: Path) -> None:
    inputs = {"transformed_examples": "a", "transform_graph": "b"}
    without, with_it = nodes(tmp_path)["Trainer"], nodes(tmp_path, "training.final_fit=true")["Trainer"]
    assert Ingredients.of(with_it.component, inputs, {}).key == Ingredients.of(without.component, inputs, {}).key


def test_columns_of_candidates_go_with_the_models_only_where_the_configuration_names_some(tmp_path: Path) -> None:
    assert "examples" not in nodes(tmp_path)["ScannIndexer"].inputs
    for setting in ("display=title", "serving.item_columns=[title]"):
        indexer = nodes(tmp_path, setting)["ScannIndexer"]
        assert indexer.inputs["examples"].node == "ExampleGen"
        params = indexer.component.params.model_dump()
        assert (params["display"], params["item_columns"]) in (("title", ()), (None, ("title",)))


def test_a_configuration_in_another_directory_is_the_same_pipeline(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    here, there = (nodes(tmp_path / name)["ExampleGen"].component for name in ("here", "there"))
    here_key, there_key = (Ingredients.of(one, {}, one.prepare().external).key for one in (here, there))
    assert here_key == there_key


def own_keys(directory: Path, *settings: str) -> dict[str, str]:
    """Cache key of each step without its inputs."""
    found = {}
    for name, node in nodes(directory, *settings).items():
        found[name] = Ingredients.of(node.component, {}, node.component.prepare().external).key
    return found


@pytest.mark.parametrize(
    ("setting", "steps"),
    [
        ("seed=7", {"Transform", "Trainer", "Evaluator"}),
        ("remove_seen=false", {"Trainer", "Evaluator", "ScannIndexer", "BulkInferrer"}),
        ("max_events_per_query=50", {"Transform"}),
        ("data.interactions.queries=99", {"ExampleGen"}),
        ("data.max_bad_fraction=0.5", {"ExampleGen"}),
        ("training.batch_size=99", {"Trainer"}),
        ("model.embedding_dim=8", {"Trainer"}),
        ("evaluation.at=[10,30]", {"Evaluator"}),
        ("index.search=tree", {"ScannIndexer"}),
        ("serving.top_k=7", {"ScannIndexer"}),
        ("serving.push.keep_versions=9", {"Pusher"}),
        ("recommendations.top_k=7", {"BulkInferrer"}),
        ("beam.runner=multi_process", set()),
        ("tuning={space: {training.batch_size: [1, 2]}}", set()),
        ("refresh.max_removed_fraction=0.9", set()),
    ],
)
def test_a_setting_is_in_the_keys_of_the_steps_that_it_can_change_and_in_no_other(
    tmp_path: Path, setting: str, steps: set[str]
) -> None:
    before, after = own_keys(tmp_path), own_keys(tmp_path, setting)
    assert {name for name in before if before[name] != after[name]} == steps
