from dataclasses import replace

import numpy as np
import tensorflow as tf

from models.losses import Contrast
from models.negatives.harder_negatives import CandidateQueue, HardNegativeMiner
from models.spec.config import ModelConfig, TowerConfig
from models.spec.negatives_config import CrossBatchNegatives, MinedNegatives
from models.towers.towers import build_towers
from tests.models.small_spec import small_spec

ITEMS, DIM = 20, 4
SHARE = tf.constant(np.arange(1, ITEMS + 1) / 210, tf.float32)


def contrast(rows: list[int], step: int = 0, known: tuple[tuple[int, int], ...] = ()) -> Contrast:
    """Candidate r of step s is the vector (r, s, 0, 0)."""
    labels = tf.constant(rows)
    candidates = tf.constant([[row, step, 0, 0] for row in rows], tf.float32)
    pairs = np.array(known, np.int32).reshape(-1, 2)
    return Contrast(
        queries=tf.ones([len(rows), DIM]),
        positives=candidates,
        labels=labels,
        candidates=candidates,
        rows=labels,
        known=tf.constant(pairs[:, 1]),
        known_row=tf.constant(pairs[:, 0]),
        frequency=(len(rows) - 1) * tf.gather(SHARE, labels),
        weight=tf.fill([len(rows)], 1 / len(rows)),
        temperature=1.0,
        catalogue=ITEMS,
    )


def test_the_queue_adds_candidates_of_earlier_batches_with_their_old_embeddings():
    queue = CandidateQueue(CrossBatchNegatives(type="cross_batch", n=5, warm_up=1), DIM)
    seen = [
        queue.extend(contrast([2 * step, 2 * step + 1], step), tf.constant(step), batch_share=SHARE)
        for step in range(5)
    ]
    assert [each.rows.numpy().tolist()[2:] for each in seen[:3]] == [[], [], [2, 3]], "the first step is warm-up"
    assert sorted(seen[4].rows.numpy().tolist()[2:]) == [3, 4, 5, 6, 7], "first in, first out"
    steps = {row: vector[1] for row, vector in zip(seen[4].rows.numpy(), seen[4].candidates.numpy(), strict=True)}
    assert steps == {8: 4, 9: 4, 3: 1, 4: 2, 5: 2, 6: 3, 7: 3}
    np.testing.assert_allclose(seen[4].frequency, (1 + 5) * tf.gather(SHARE, seen[4].rows), rtol=1e-6)


def test_a_batch_longer_than_the_queue_keeps_its_last_candidates():
    queue = CandidateQueue(CrossBatchNegatives(type="cross_batch", n=3, warm_up=0), DIM)
    for step, rows in enumerate(([0, 1, 2, 3, 4], [5])):
        seen = queue.extend(contrast(rows, step), tf.constant(step), batch_share=SHARE)
    assert seen.rows.numpy().tolist() == [5, 2, 3, 4]


def test_mined_negatives_are_the_best_scored_that_the_query_does_not_know():
    config = ModelConfig(embedding_dim=DIM, score="dot", candidate_tower=TowerConfig(dropout=0))
    _, tower = build_towers(small_spec(items=ITEMS, features=False), config, ordered=True)
    catalogue = {"candidate_id": tf.range(2, ITEMS + 2)[:, None]}
    settings = MinedNegatives(type="mined", n=3, warm_up=1, refresh=2)
    miner = HardNegativeMiner(settings, catalogue, DIM)
    queries = tf.random.stateless_normal([2, DIM], [1, 2])
    best = np.argsort(-(queries @ tf.transpose(tower(catalogue))).numpy(), axis=1)
    known = ((0, int(best[0, 0])), (0, int(best[0, 2])), (1, int(best[1, 1])))
    batch = replace(contrast([int(best[0, 3]), int(best[1, 0])], known=known), queries=queries)

    def mined(step: int) -> list[int]:
        return sorted(miner.extend(batch, tf.constant(step), tower, None).rows.numpy()[2:].tolist())

    expected = sorted({*best[0, [1, 4, 5]], *best[1, [2, 3, 4]]})
    assert mined(0) == [], "warm-up"
    assert mined(1) == expected
    extended = miner.extend(batch, tf.constant(1), tower, None)
    np.testing.assert_allclose(extended.candidates[2:], tf.gather(tower(catalogue), extended.rows[2:]), rtol=1e-6)
    for variable in tower.trainable_variables:
        variable.assign(-variable)
    assert mined(2) == expected, "looked up in the embeddings of step 1"
    assert mined(3) != expected, "embedded again after two steps"
