"""Each gate against a real exported model in which only what the gate looks at is broken."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from components.scann_indexer import IndexConfig, RecallTarget, ScannIndexer, ScannIndexerParams
from dataplane.artifacts import ServingModel
from tests.components.infra_validator.validation import refused
from tests.components.tiny_world import World
from tests.contexts import in_process

Tensors = dict[str, tf.Tensor]
Signature = Callable[..., Tensors]


def best_of_the_first_query(serving_model: ServingModel) -> str:
    first: str = json.loads((serving_model.path / "expected_answers.json").read_text())[0]["candidate_ids"][0]
    return first


def with_signature(serving_model: ServingModel, signature: str, broken: Callable[[Signature], Signature]) -> None:
    """Saves the exact model again with one of its signatures replaced."""
    model = serving_model.path / "exact"
    loaded = tf.saved_model.load(str(model))
    original = loaded.signatures[signature]
    specs = original.structured_input_signature[1]
    function = tf.function(broken(original)).get_concrete_function(**specs)
    again = model.with_name("again")
    tf.saved_model.save(loaded, str(again), signatures={**loaded.signatures, signature: function})
    shutil.copytree(model / "assets.extra", again / "assets.extra")
    shutil.rmtree(model)
    again.rename(model)


def ignoring(name: str) -> Callable[[Signature], Signature]:
    """Answers as if nothing had been given for one of the inputs."""
    return lambda original: lambda **inputs: original(**{**inputs, name: inputs[name][:, :0]})


def answering_itself(original: Signature) -> Signature:
    def answer(**inputs: tf.Tensor) -> Tensors:
        reply = original(**inputs)
        own = tf.where(reply["candidate_ids"][:, :1] == "", "", inputs["candidate_id"][:, None])
        return {**reply, "candidate_ids": tf.concat([own, reply["candidate_ids"][:, 1:]], axis=1)}

    return answer


def taking_unknown_ids_for_one(original: Signature) -> Signature:
    def answer(candidate_id: tf.Tensor) -> Tensors:
        is_known = tf.strings.regex_full_match(candidate_id, r"c\d{5}")
        return original(candidate_id=tf.where(is_known, candidate_id, "c00001"))

    return answer


def with_other_ids(original: Signature) -> Signature:
    def answer(**inputs: tf.Tensor) -> Tensors:
        reply = original(**inputs)
        return {**reply, "candidate_ids": tf.strings.regex_replace(reply["candidate_ids"], "^c", "x")}

    return answer


def without_numbers(original: Signature) -> Signature:
    def answer(**inputs: tf.Tensor) -> Tensors:
        return {"embedding": original(**inputs)["embedding"] * float("nan")}

    return answer


@pytest.mark.parametrize(
    ("signature", "broken", "problem"),
    [
        ("recommend_filtered", ignoring("exclude_ids"), "'BEST' is in the history"),
        ("recommend_filtered", ignoring("allow_ids"), r"the answer has 'c\d{5}', which was not allowed"),
        ("similar_candidates", answering_itself, "'BEST' is in the history"),
        ("similar_candidates", taking_unknown_ids_for_one, r"the answer to an unknown id is \['c\d{5}'"),
        ("embed_query", without_numbers, "an embedding is not finite"),
        ("embed_candidate", without_numbers, "an embedding is not finite"),
    ],
)
def test_a_signature_that_breaks_its_promise_is_refused(
    world: World,
    serving_model: ServingModel,
    signature: str,
    broken: Callable[[Signature], Signature],
    problem: str,
) -> None:
    with_signature(serving_model, signature, broken)
    problem = problem.replace("BEST", best_of_the_first_query(serving_model))
    refused(
        world,
        serving_model,
        rf"the exact model failed the check 'signatures': {signature}: {problem}",
        sample_queries=1,
    )


def test_a_model_that_answers_what_is_not_in_the_catalogue_is_refused(
    world: World, serving_model: ServingModel
) -> None:
    with_signature(serving_model, "serving_default", with_other_ids)
    told = r"the exact model failed the check 'catalogue': 'x\d{5}' is not a candidate"
    refused(world, serving_model, told, sample_queries=1)


def test_an_index_that_finds_too_little_is_refused(world: World, tmp_path: Path) -> None:
    poor: dict[str, Any] = {"leaves": 40, "leaves_to_search": 1, "recall_target": RecallTarget(recall=0)}
    inputs = ScannIndexer.Inputs(world.transformed_examples, world.transform_graph, world.model)
    serving_model = ServingModel(tmp_path / "serving")
    params = ScannIndexerParams(top_k=8, index=IndexConfig(search="tree", **poor))
    ScannIndexer(params).execute(inputs, ScannIndexer.Outputs(serving_model), in_process())
    refused(
        world, serving_model, r"the scann model failed the check 'overlap': it gives 0\.\d+ of .*, 0\.9 are required"
    )
