"""A model that answers exactly over any catalogue, for tests of answers that are merged with changes."""

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from models.spec.selection import FilterKind
from serving.changes.change_log import Inputs
from serving.model.descriptions import InputSpec
from serving.model.requests import Request

COUNT, DIM, K = 12, 3, 4
LOWEST = np.finfo(np.float32).min
TEXT, TEXTS = InputSpec(dtype="string", shape=(None,)), InputSpec(dtype="string", shape=(None, None))
NUMBER, COUNTS = InputSpec(dtype="float32", shape=(None,)), InputSpec(dtype="int64", shape=(None,))
ASKED = {"taste": NUMBER, "history": TEXTS}
OPTIONS = {
    "where_some": TEXTS,
    "where_every": TEXTS,
    "where_no": TEXTS,
    "where_brand": TEXT,
    "where_price_min": InputSpec(dtype="float64", shape=(None,)),
    "where_price_max": InputSpec(dtype="float64", shape=(None,)),
    "mmr_lambda": NUMBER,
}
KINDS: dict[str, FilterKind] = {
    "some": "any_of",
    "every": "all_of",
    "no": "none_of",
    "brand": "equals",
    "price": "range",
}
SIGNATURES = {
    "serving_default": ASKED,
    "recommend_filtered": ASKED | {"exclude_ids": TEXTS, "allow_ids": TEXTS},
    "recommend_known": {"query_id": TEXT, "history": TEXTS, "exclude_ids": TEXTS},
    "recommend_where": ASKED | {"exclude_ids": TEXTS} | OPTIONS,
    "recommend_known_where": {"query_id": TEXT, "history": TEXTS, "exclude_ids": TEXTS} | OPTIONS,
    "similar_where": {"candidate_id": TEXT} | OPTIONS,
    "similar_candidates": {"candidate_id": TEXT},
    "score": ASKED | {"candidate_ids": TEXTS},
    "embed_query": ASKED,
    "embed_known": {"query_id": TEXT, "history": TEXTS},
    "embed_candidate": {"candidate_id": TEXT, "price": NUMBER},
}
VECTORS = {f"c{row}": np.random.default_rng(row).normal(size=DIM).astype(np.float32) for row in range(COUNT)}
KNOWN = {"q1": ["c1", "c2"], "q2": []}
COLOURS = ("red", "blue", "é")


def attributes_of(seed: int) -> dict[str, Any]:
    """Attributes of a candidate, of which some are missing and some unknown."""
    random = np.random.default_rng(seed)
    texts = {kind: [it for it in COLOURS if random.random() < 0.5] or None for kind in ("some", "every", "no")}
    brand, price = random.choice(COLOURS), None if random.random() < 0.3 else float(random.integers(0, 9))
    every: dict[str, Any] = {**texts, "brand": str(brand), "price": price}
    return {kind: value for kind, value in every.items() if random.random() < 0.8}


ATTRIBUTES = {f"c{row}": {**dict.fromkeys(KINDS), **attributes_of(row)} for row in range(COUNT)}


def embedded(rows: Sequence[Inputs]) -> np.ndarray:
    """The candidate tower: an embedding that depends on every feature."""
    seeds = [zlib.crc32(repr((row["candidate_id"], row.get("price"))).encode()) for row in rows]
    return np.array([np.random.default_rng(seed).normal(size=DIM) for seed in seeds], np.float32)


class Model:
    """Answers exactly over a catalogue, as a serving model does."""

    def __init__(self, vectors: dict[str, np.ndarray], attributes: dict[str, Any] | None = None) -> None:
        self.vectors, self.calls = vectors, list[str]()
        self.attributes = ATTRIBUTES if attributes is None else attributes

    def predict(self, signature: str, rows: Sequence[Request]) -> dict[str, np.ndarray]:
        self.calls.append(signature)
        if signature in ("embed_query", "embed_known"):
            known = [[name.encode() for name in KNOWN.get(row.get("query_id", ""), [])] for row in rows]
            width = max(map(len, known))
            padded = np.array([[*names, *[b""] * (width - len(names))] for names in known], object)
            outputs = {"embedding": np.array([self.query(row) for row in rows])}
            return outputs | ({"known": padded.reshape(len(rows), width)} if signature == "embed_known" else {})
        if signature == "score":
            scores = [[self.score(self.query(row), name) for name in row["candidate_ids"]] for row in rows]
            return {"scores": np.array(scores, np.float32)}
        answers = [self.answer(signature, row) for row in rows]
        ids = np.array([[name.encode() for name, _ in row] for row in answers], object)
        return {"candidate_ids": ids, "scores": np.array([[score for _, score in row] for row in answers], np.float32)}

    def query(self, row: Request) -> np.ndarray:
        seed = row["query_id"] if "query_id" in row else row["taste"]
        return np.random.default_rng(zlib.crc32(repr(seed).encode())).normal(size=DIM).astype(np.float32)

    def score(self, query: np.ndarray, name: str) -> float:
        return float(query @ self.vectors[name]) if name in self.vectors else float(LOWEST)

    def answer(self, signature: str, row: Request) -> list[tuple[str, float]]:
        if signature == "similar_candidates":
            own = row["candidate_id"]
            out, allowed, query = {own}, set(self.vectors), self.vectors.get(own)
            allowed = set() if query is None else allowed
        else:
            out = {*row["history"], *row.get("exclude_ids", ()), *KNOWN.get(row.get("query_id", ""), [])}
            allowed, query = set(row.get("allow_ids", ())) or set(self.vectors), self.query(row)
        names = [name for name in sorted((allowed & set(self.vectors)) - out) if self.matches(row, name)]
        scores = [] if query is None else [(name, self.score(query, name)) for name in names]
        return (sorted(scores, key=lambda pair: -pair[1]) + [("", float(LOWEST))] * K)[:K]

    def matches(self, row: Request, name: str) -> bool:
        """Whether a candidate meets the constraints of a request; an attribute without an entry is unknown."""
        own = self.attributes.get(name, {})

        def values(kind: str) -> set[str]:
            given = own.get(kind) or []
            return set(given if isinstance(given, list) else [given])

        some, every, no = ({*row.get(f"where_{kind}", ())} - {""} for kind in ("some", "every", "no"))
        brand = {row.get("where_brand", "")} - {""}
        least, most = (row.get(f"where_price_{end}", np.nan) for end in ("min", "max"))
        price = np.nan if own.get("price") is None else own["price"]
        is_ranged = not (np.isnan(least) and np.isnan(most))
        return (
            (not some or bool(some & values("some")))
            and every <= values("every")
            and (not no or ("no" in own and not no & values("no")))
            and (not brand or brand == values("brand"))
            and (not is_ranged or bool(not np.isnan(price) and not price < least and not price > most))
        )

    def nearest(self, vectors: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        found = [sorted(((self.score(v, name), name.encode()) for name in self.vectors), reverse=True) for v in vectors]
        ids = np.array([[name for _, name in row[:count]] for row in found], object)
        return ids, np.array([[score for score, _ in row[:count]] for row in found], np.float32)
