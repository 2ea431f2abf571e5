"""Encoded specifications and columns for tests of the towers."""

import numpy as np

from models.spec.features import EncodedColumn, EncodedSpec, FeatureSpec


def tokens(feature: str, size: int, width: int = 1) -> EncodedColumn:
    return EncodedColumn(feature=feature, kind="tokens", width=width, vocabulary_size=size)


def small_spec(*, items: int = 20, history: int | None = 4, features: bool = True) -> EncodedSpec:
    """Candidates with an id and optional genres; queries with an id, an age and a history."""
    query = {"user": tokens("user", 9), "age": EncodedColumn(feature="age", kind="dense", width=1)}
    candidate = {"candidate_id": tokens("candidate_id", items + 2)}
    raw: dict = {"history": None if history is None else {"max_length": history}}
    raw["query"] = {"user": {"type": "id", "column": "query_id"}, "age": {"type": "numeric"}} if features else {}
    if features:
        candidate["genres"] = tokens("genres", 6, width=3)
        raw["candidate"] = {"genres": {"type": "categorical", "max_values": 3}}
    return EncodedSpec(
        features=FeatureSpec.model_validate(raw), query=query if features else {}, context={}, candidate=candidate
    )


def random_columns(columns: dict[str, EncodedColumn], rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        name: random.integers(0, column.vocabulary_size, (rows, column.width)).astype(np.int32)
        if column.kind == "tokens"
        else random.normal(size=(rows, column.width)).astype(np.float32)
        for name, column in columns.items()
    }
