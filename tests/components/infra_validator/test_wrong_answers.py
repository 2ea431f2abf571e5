"""What the right models answered, with one thing wrong in it; `test_gates.py` has models that are wrong."""

import math
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from components.infra_validator import executor
from components.scann_indexer import IndexConfig, ScannIndexer, ScannIndexerParams
from dataplane.artifacts import ServingModel
from serving.model.ask import Session, ask_batches
from tests.components.infra_validator.validation import refused, validate
from tests.components.tiny_world import World
from tests.contexts import in_process

Sessions: TypeAlias = dict[str, Session]


@pytest.fixture(scope="module")
def exported(world: World, tmp_path_factory: pytest.TempPathFactory) -> ServingModel:
    """Models that can be asked for similar queries as well."""
    serving_model = ServingModel(tmp_path_factory.mktemp("serving"))
    inputs = ScannIndexer.Inputs(world.transformed_examples, world.transform_graph, world.model)
    params = ScannIndexerParams(top_k=8, index=IndexConfig(search="brute_force", queries=True))
    ScannIndexer(params).execute(inputs, ScannIndexer.Outputs(serving_model), in_process())
    return serving_model


@pytest.fixture(scope="module")
def sessions(world: World, exported: ServingModel, tmp_path_factory: pytest.TempPathFactory) -> Sessions:
    """What the right models answer to all that is asked."""
    found: Sessions = {}

    def recorded(model: Path, *args: Any, **options: Any) -> Session:
        found[model.name] = ask_batches(model, *args, **options)
        return found[model.name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor, "ask_batches", recorded)
        copied = shutil.copytree(exported.path, tmp_path_factory.mktemp("right") / "serving")
        assert validate(world, ServingModel(Path(copied)), sample_queries=20)["blessed"]
    return found


def reply(sessions: Sessions, model: str, place: int) -> Any:
    """The reply to one question; questions are in the order of `signature_checks`."""
    return sessions[model].replies[place]


def _rows(sessions: Sessions) -> None:
    sessions["scann"].answers[1].scores.pop()


def _alone(sessions: Sessions) -> None:
    sessions["exact"].answers[2].scores[0][0] += 1


def _changed_places(sessions: Sessions) -> None:
    ids = sessions["exact"].answers[0].candidate_ids[4]
    ids[0], ids[1] = ids[1], ids[0]


def _nearest(sessions: Sessions) -> None:
    found = reply(sessions, "exact", 0)
    found["scores"][0] = [score * 0.9 for score in found["scores"][0]]


def _allowed_left_out(sessions: Sessions) -> None:
    found = reply(sessions, "exact", 2)
    for name in ("candidate_ids", "scores"):
        found[name][0][2] = found[name][0][3]


def _score_of_nothing(sessions: Sessions) -> None:
    reply(sessions, "exact", 4)["scores"][0][3] = 0.0


def _candidate_embedding(sessions: Sessions) -> None:
    reply(sessions, "exact", 6)["embedding"][1][0] = math.inf


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_rows, "scann model failed the check 'rows': 1 rows of ids for 1 requests"),
        (_alone, "exact model failed the check 'batch_of_one': score "),
        (_changed_places, r"exact model failed the check 'expected_ids': .* at rank 1 where"),
        (_nearest, r"check 'signatures': similar_queries: the nearest is at 0\.9\d*, not 1"),
        (_allowed_left_out, r"check 'signatures': recommend_filtered: score .* at rank 3 where"),
        (_score_of_nothing, r"check 'signatures': score: score 0\.0 at rank 4 where"),
        (_candidate_embedding, "check 'signatures': embed_candidate: an embedding is not finite"),
    ],
)
def test_one_wrong_answer_is_refused(
    world: World,
    serving_model: ServingModel,
    sessions: Sessions,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Sessions], None],
    message: str,
) -> None:
    spoiled = deepcopy(sessions)
    spoil(spoiled)
    monkeypatch.setattr(executor, "ask_batches", lambda model, *_, **__: spoiled[model.name])
    refused(world, serving_model, message, sample_queries=20)


def test_a_query_without_direction_is_near_to_nothing(
    world: World, serving_model: ServingModel, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    rightly = deepcopy(sessions)
    for name in rightly:
        found = reply(rightly, name, 0)
        found["scores"][0] = [0.0] * len(found["scores"][0])
    monkeypatch.setattr(executor, "ask_batches", lambda model, *_, **__: rightly[model.name])
    assert validate(world, serving_model, sample_queries=20)["blessed"]
