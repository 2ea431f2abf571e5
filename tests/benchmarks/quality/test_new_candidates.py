from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.quality.new_candidates import new_auc
from models.ranking.baselines import PopularityScorer
from models.ranking.ranking import CandidateLists, EmbeddingScorer

QUERIES, CANDIDATES = 300, 40


def lists(rows: list[np.ndarray]) -> CandidateLists:
    return CandidateLists(np.concatenate([[0], np.cumsum([len(row) for row in rows])]), np.concatenate(rows))


def test_order_of_new_candidates_is_counted_pair_by_pair():
    random = np.random.default_rng(0)
    train_count = (random.random(CANDIDATES) < 0.6).astype(int)
    scorer = EmbeddingScorer(*(random.normal(size=(rows, 5)).astype(np.float32) for rows in (QUERIES, CANDIDATES)))
    scores, wanted, seen, shares = scorer.scores(0, QUERIES), [], [], []
    for query in range(QUERIES):
        drawn = random.permutation(CANDIDATES)
        wanted.append(np.sort(drawn[:3]))
        seen.append(np.sort(drawn[3:8]))
        for candidate in wanted[-1][train_count[wanted[-1]] == 0]:
            others = np.setdiff1d(np.flatnonzero(train_count == 0), [candidate, *seen[-1]])
            shares.append(np.mean(scores[query, others] < scores[query, candidate]))
    task: Any = SimpleNamespace(query_rows=np.arange(QUERIES), relevant=lists(wanted), excluded=lists(seen))
    assert new_auc(scorer, task, train_count) == pytest.approx(np.mean(shares))
    assert new_auc(PopularityScorer(train_count), task, train_count) == 0.5, (
        "popularity scores all new candidates alike"
    )
    assert new_auc(scorer, task, np.ones(CANDIDATES)) is None
