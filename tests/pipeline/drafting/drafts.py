"""Drafts as text, and rows of made-up tables, for tests."""

from collections.abc import Sequence

import numpy as np

from pipeline.drafting.infer import infer_draft

RANDOM = np.random.default_rng(0)
ROWS = 400
START = 1_600_000_000


def who(count=40, first=100):
    return int(RANDOM.integers(first, first + count))


def what(count=30, first=1000):
    return int(RANDOM.integers(first, first + count))


def titles(count=30, first=1000):
    return [(first + n, f"The story of number {n}", ("Drama|Comedy", "War")[n % 2]) for n in range(count)]


def columns_of(document):
    return document["data"]["interactions"]["columns"]


def draft_config(paths: Sequence[str], name: str = "") -> str:
    """The output of `init` for some files."""
    return infer_draft(paths, name).text()
