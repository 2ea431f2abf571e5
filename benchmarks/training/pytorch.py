"""The same two towers in PyTorch: an embedding and a dense layer each, in-batch softmax, Adagrad, sparse gradients."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

LEARNING_RATE = 0.1
"""That of the tutorial."""


class TwoTower(nn.Module):
    """The towers.

    Args:
        queries: how many there are.
        candidates: how many there are.
        dim: length of the embeddings.
    """

    def __init__(self, queries: int, candidates: int, *, dim: int) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(rows, dim, sparse=True) for rows in (queries, candidates))
        self.layers = nn.ModuleList(nn.Linear(dim, dim) for _ in range(2))

    def forward(self, query: torch.Tensor, candidate: torch.Tensor) -> torch.Tensor:
        """The mean in-batch softmax."""
        sides = zip((query, candidate), self.tables, self.layers, strict=True)
        queries, candidates = (layer(table(rows)) for rows, table, layer in sides)
        return nn.functional.cross_entropy(queries @ candidates.T, torch.arange(len(query)))


def train(
    query: np.ndarray, candidate: np.ndarray, *, candidates: int, batch: int, dim: int, mark: Callable[[], None]
) -> None:
    """Makes two passes over shuffled events; `mark` is called at the start of the first and at the end of each."""
    order = np.random.default_rng(42).permutation(len(query))
    events = [torch.from_numpy(side[order].astype(np.int64)) for side in (query, candidate)]
    model = TwoTower(int(query.max()) + 1, candidates, dim=dim)
    optimizer = torch.optim.Adagrad(model.parameters(), LEARNING_RATE)
    mark()
    for _ in range(2):
        for start in range(0, len(query), batch):
            optimizer.zero_grad()
            model(*(side[start : start + batch] for side in events)).backward()
            optimizer.step()
        mark()
