"""What a push makes of candidates that were changed since the version before."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from components.base import ExecutionContext
from dataplane.artifacts import ServingModel
from models.retrieval.candidate_ids import CandidateIds
from serving.changes.change_log import Change, ChangeLog
from serving.model.version_digests import write_digests
from tests.components.pusher.pushes import push, save_pair


def save_with_catalogue(path: Path, identity: str, ids: list[str]) -> ServingModel:
    serving = save_pair(path, identity)
    checkpoint = tf.train.Checkpoint(candidate_ids=CandidateIds(np.array(ids, object)))
    checkpoint.write(str(serving.path / "exact" / "variables" / "variables"))
    write_digests(serving.path / "exact")
    return serving


def test_changes_that_the_new_catalogue_lacks_are_told_and_stay_in_force(tmp_path: Path) -> None:
    root, logs, told = tmp_path / "serving", tmp_path / "serving" / ".toy" / "candidates", list[str]()
    first = push(save_with_catalogue(tmp_path / "first", "first", ["a"]), root)["version"]
    assert not logs.exists()
    ChangeLog(logs, first, {"towers": "first"}).append(
        [Change("b", {"candidate_id": "b"}), Change("late", {"candidate_id": "late"}), Change("a", None)]
    )
    serving = save_with_catalogue(tmp_path / "second", "second", ["b"])
    second = push(serving, root, context=ExecutionContext(warn=told.append))["version"]
    assert told == ["2 changes of candidates are in the new catalogue; 1 added candidates are not, and stay: late"]
    left = ChangeLog(logs, second, {"towers": "second"}).read().changes
    assert left == [Change("late", {"candidate_id": "late"})]
