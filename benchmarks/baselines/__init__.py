"""Baselines that score candidates by a query's history, each with the choices that validation picks from."""

from typing import Literal, get_args

BaselineName = Literal[
    "popularity", "item-kNN", "item-kNN, recency", "EASE", "EASE, recency", "iALS", "LensKit item-kNN", "LensKit iALS"
]
BASELINE_NAMES: tuple[BaselineName, ...] = get_args(BaselineName)
