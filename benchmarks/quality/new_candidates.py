"""How well candidates without a training event are ranked among themselves."""

import numpy as np

from dataplane.dataset.retrieval_task import RetrievalTask
from models.ranking.ranking import CandidateLists, Scorer

_BLOCK = 256
"""Queries that are scored at once."""


def new_auc(scorer: Scorer, task: RetrievalTask, train_count: np.ndarray) -> float | None:
    """The mean area under the ROC curve over pairs of a query and a relevant new candidate: 1 is best, 0.5 is chance.

    The area of a pair is the share of the other new candidates, seen ones left out, that score less than the relevant
    one; equal scores count half. A relevant candidate with 0.7 among others with 0.2, 0.7 and 0.9 has an area of 0.5.

    Returns:
        None if there is no such pair.
    """
    new = np.asarray(train_count) == 0
    place, shares = np.where(new, np.cumsum(new) - 1, -1), [np.empty(0)]

    def of_new(lists: CandidateLists, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        query, column = lists.queries(start, stop), place[lists.entries(start, stop)]
        return query[column >= 0], column[column >= 0]

    for start in range(0, len(task.query_rows), _BLOCK):
        stop = min(start + _BLOCK, len(task.query_rows))
        query, wanted = of_new(task.relevant, start, stop)
        if not len(query):
            continue
        scores = scorer.scores(start, stop)[:, new]
        scores[of_new(task.excluded, start, stop)] = np.nan
        found, of_query = scores[query, wanted][:, None], scores[query]
        others = np.maximum((~np.isnan(of_query)).sum(axis=1) - 1, 1)
        shares.append(((of_query < found).sum(axis=1) + 0.5 * ((of_query == found).sum(axis=1) - 1)) / others)
    every = np.concatenate(shares)
    return float(every.mean()) if len(every) else None
