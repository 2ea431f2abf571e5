"""Ids are found in a catalogue of any size, and repeated ones are refused."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from models.retrieval.candidate_ids import CandidateIds


def test_ids_are_found_in_a_large_catalogue(tmp_path: Path) -> None:
    many = np.array([f"id {number}" for number in range(200_000)], object)
    ids = CandidateIds(many)
    asked = tf.constant([["id 0", "id 199999", ""], ["id 200000", "id 77777", "ID 0"]])
    assert ids.rows(asked).numpy().tolist() == [[0, 199_999, -1], [-1, 77_777, -1]]
    assert ids.of(tf.constant([-1, 5])).numpy().tolist() == [b"", b"id 5"]
    tf.saved_model.save(ids, str(tmp_path / "ids"))
    assert (tmp_path / "ids" / "saved_model.pb").stat().st_size < 100_000


def test_repeated_ids_are_refused() -> None:
    with pytest.raises(ValueError, match="not distinct"):
        CandidateIds(np.array(["a", "b", "a"], object))
