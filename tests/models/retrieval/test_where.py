"""Filtered, crowded and diverse answers are those of a plain reference, for every search and all options together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.retrieval.attributes import Values
from models.retrieval.index import ExactSearch
from models.retrieval.selecting import POOL
from models.retrieval.serving import ServingModule, export
from models.retrieval.where import Attributes, WhereSignatures
from tests.models.retrieval.small_serving import (
    CANDIDATES,
    EMBEDDINGS,
    IDS,
    LOWEST,
    SEARCHES,
    K,
    ask,
    expected_scores,
    id_lists,
    module,
    request,
)

GENRES = ("drama", "comedy", "war")
COUNTRIES = ("nl", "de", "é")
_RANDOM = np.random.default_rng(3)
HAS_GENRE = _RANDOM.random((CANDIDATES, len(GENRES))) < 0.5
COUNTRY = _RANDOM.integers(-1, len(COUNTRIES), CANDIDATES)
PRICE = np.where(_RANDOM.random(CANDIDATES) < 0.2, np.nan, np.round(_RANDOM.uniform(0, 10, CANDIDATES)))
BRAND, SHOP = _RANDOM.integers(-1, 4, CANDIDATES), _RANDOM.integers(0, 3, CANDIDATES)


def _values(names: Sequence[str], has: np.ndarray) -> Values:
    rows, codes = np.nonzero(has)
    return Values(np.array(names, object), codes, rows)


_HAS_COUNTRY = COUNTRY[:, None] == np.arange(len(COUNTRIES))
ATTRIBUTES = Attributes(
    CANDIDATES,
    {"genre": "any_of", "genres": "all_of", "taboo": "none_of", "country": "equals", "price": "range"},
    {
        **{name: _values(GENRES, HAS_GENRE) for name in ("genre", "genres", "taboo")},
        "country": _values(COUNTRIES, _HAS_COUNTRY),
    },
    {"price": PRICE},
    {"brand": BRAND, "shop": SHOP},
)


@dataclass(frozen=True)
class Row:
    """The options of one request."""

    history: list[str] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    genre: list[str] = field(default_factory=list)
    genres: list[str] = field(default_factory=list)
    taboo: list[str] = field(default_factory=list)
    country: str = ""
    least: float = np.nan
    most: float = np.nan
    max_per_brand: int = 0
    max_per_shop: int = 0
    weight: float = np.nan

    def matches(self, row: int) -> bool:
        """Whether a candidate may be in the answer."""
        own = {name for name, has in zip(GENRES, HAS_GENRE[row], strict=True) if has}
        genre, genres, taboo = ({*names} - {""} for names in (self.genre, self.genres, self.taboo))
        is_asked = not (np.isnan(self.least) and np.isnan(self.most))
        return (
            IDS[row] not in {*self.history, *self.exclude}
            and (not genre or bool(genre & own))
            and genres <= own
            and not taboo & own
            and (not self.country or (COUNTRY[row] >= 0 and COUNTRIES[COUNTRY[row]] == self.country))
            and not (is_asked and np.isnan(PRICE[row]))
            and not PRICE[row] < self.least
            and not PRICE[row] > self.most
        )

    def has_room(self, row: int, taken: Sequence[int]) -> bool:
        """Whether no limit is reached."""
        return all(
            most <= 0 or code[row] < 0 or Counter(code[list(taken)])[code[row]] < most
            for code, most in ((BRAND, self.max_per_brand), (SHOP, self.max_per_shop))
        )


def _names(known: Sequence[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from([*known, "", "unknown"]), max_size=3)


_IDS = st.lists(st.sampled_from([*IDS, "", "unknown"]), max_size=CANDIDATES)
_BOUND = st.just(np.nan) | st.sampled_from([-1.0, 0.0, 2.0, 5.0, 5.5, 10.0, 11.0, np.inf, -np.inf])
ROWS = st.builds(
    Row,
    history=_IDS,
    exclude=_IDS,
    genre=st.just([]) | _names(GENRES),
    genres=st.just([]) | _names(GENRES),
    taboo=st.just([]) | _names(GENRES),
    country=st.just("") | st.sampled_from([*COUNTRIES, "unknown"]),
    least=_BOUND,
    most=_BOUND,
    max_per_brand=st.sampled_from([0, 0, -(2**63), 1, 2, 100]),
    max_per_shop=st.sampled_from([0, 0, 1, 3]),
    weight=st.sampled_from([np.nan, np.nan, 1.0, 0.5, 0.0, 7.0]),
)


def _inputs(rows: Sequence[Row]) -> dict[str, tf.Tensor]:
    numbers = {
        "where_price_min": ("least", tf.float64),
        "where_price_max": ("most", tf.float64),
        "max_per_brand": ("max_per_brand", tf.int64),
        "max_per_shop": ("max_per_shop", tf.int64),
        "mmr_lambda": ("weight", tf.float32),
        "where_country": ("country", tf.string),
    }
    return {
        **request([row.history for row in rows]),
        "exclude_ids": id_lists([row.exclude for row in rows]),
        **{f"where_{name}": id_lists([getattr(row, name) for row in rows]) for name in ("genre", "genres", "taboo")},
        **{
            name: tf.constant([getattr(row, attribute) for row in rows], dtype, [len(rows)])
            for name, (attribute, dtype) in numbers.items()
        },
    }


def _step_values(row: Row, pool: list[int], scores: np.ndarray, taken: Sequence[int]) -> dict[int, float]:
    """The value of each candidate of a pool that may be taken next."""
    weight = 1.0 if np.isnan(row.weight) else min(max(row.weight, 0.0), 1.0)
    best, worst = scores[pool].max(initial=LOWEST), scores[pool].min(initial=-LOWEST)
    unit = EMBEDDINGS / np.linalg.norm(EMBEDDINGS, axis=1, keepdims=True)
    return {
        place: weight * (scores[place] - worst) / ((best - worst) or 1.0)
        - (1 - weight) * max((float(unit[place] @ unit[other]) for other in taken), default=-1.0)
        for place in pool
        if place not in taken and row.has_room(place, taken)
    }


def _problem(row: Row, answer: list[int], scores: np.ndarray, *, is_exact: bool = True) -> str | None:
    """What is wrong with an answer; candidates of nearly the same value may change places.

    An answer that need not be exact is right if it is full, breaks no option and repeats no candidate.
    """
    ranked = [place for place in np.argsort(-scores, kind="stable") if row.matches(place)]
    wishes_any = row.max_per_brand > 0 or row.max_per_shop > 0 or row.weight < 1
    size, tolerance = (POOL * K if wishes_any else CANDIDATES, 1e-4) if is_exact else (CANDIDATES, np.inf)
    for pool in (ranked[:size], ranked[: size * POOL]):
        taken: list[int] = []
        for place in answer:
            values = _step_values(row, pool, scores, taken)
            if place not in values or values[place] < max(values.values()) - tolerance:
                break
            taken.append(place)
        if taken == answer and (len(answer) == K or not _step_values(row, ranked, scores, taken)):
            return None
    return f"{row}: {answer}"


@pytest.fixture(scope="module", params=["from lists", "indexed", "indexed by a tree"])
def serving(request: pytest.FixtureRequest, parts: tuple[Any, Any]) -> ServingModule:
    search = SEARCHES["tree" if "tree" in request.param else "exact"]()
    share = 0.0 if request.param == "from lists" else 1.0
    return module(parts, search, families=[WhereSignatures(ATTRIBUTES, indexed_share=share)])


@given(rows=st.lists(ROWS, max_size=4))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_answers_are_those_of_the_reference(serving: ServingModule, parts: tuple[Any, Any], rows: list[Row]) -> None:
    inputs = _inputs(rows)
    found = ask(serving, "recommend_where", inputs)
    truth = expected_scores(parts, inputs)
    place_of = {name: place for place, name in enumerate(IDS)}
    assert found["candidate_ids"].shape == found["scores"].shape == (len(rows), K)
    for row, ids, given_scores, scores in zip(rows, found["candidate_ids"], found["scores"], truth, strict=True):
        answer = [place_of[name.decode()] for name in ids if name]
        assert [name != b"" for name in ids] == [place < len(answer) for place in range(K)]
        assert np.allclose(given_scores[: len(answer)], scores[answer], rtol=1e-4, atol=1e-4)
        assert (given_scores[len(answer) :] == LOWEST).all()
        assert _problem(row, answer, scores, is_exact=isinstance(serving.search, ExactSearch)) is None


def test_similar_candidates_take_the_options_and_leave_out_the_candidate(
    parts: tuple[Any, Any], tmp_path: Path
) -> None:
    family = WhereSignatures(ATTRIBUTES)
    serving = module(parts, ExactSearch(EMBEDDINGS), families=[family])
    export(serving, tmp_path / "model")
    similar = tf.saved_model.load(str(tmp_path / "model")).signatures["similar_where"]
    rows = [Row(), Row(genre=["war"], max_per_brand=1), Row(), Row(country="nowhere")]
    own = [IDS[5], IDS[6], "unknown", IDS[7]]
    options = {name: value for name, value in _inputs(rows).items() if name in serving.inputs["similar_where"]}
    found = similar(candidate_id=tf.constant(own), **options)["candidate_ids"].numpy()
    for row, name, ids in zip(rows, own, found, strict=True):
        answer = [list(IDS).index(text.decode()) for text in ids if text]
        if name == "unknown" or row.country:
            assert answer == []
        else:
            scores = EMBEDDINGS @ EMBEDDINGS[list(IDS).index(name)]
            assert _problem(replace(row, exclude=[name]), answer, scores) is None


def test_attributes_without_any_value_match_nothing(parts: tuple[Any, Any]) -> None:
    none = np.zeros((CANDIDATES, 0), bool)
    attributes = Attributes(
        CANDIDATES,
        {"tag": "any_of", "size": "range"},
        {"tag": _values([], none)},
        {"size": np.full(CANDIDATES, np.nan)},
    )
    serving = module(parts, ExactSearch(EMBEDDINGS), families=[WhereSignatures(attributes)])
    inputs = {
        **request([[], [], []]),
        "exclude_ids": id_lists([[], [], []]),
        "where_tag": id_lists([["x"], [], []]),
        "where_size_min": tf.constant([np.nan, 0, np.nan], tf.float64),
        "where_size_max": tf.constant([np.nan] * 3, tf.float64),
        "mmr_lambda": tf.constant([np.nan] * 3),
    }
    found = ask(serving, "recommend_where", inputs)["candidate_ids"]
    assert [(row != b"").sum() for row in found] == [0, 0, K]


def test_values_with_one_hash_are_refused() -> None:
    values = Values(np.array(["a", "a"], object), np.zeros(1, int), np.zeros(1, int))
    with pytest.raises(ValueError, match="two values of 'tag' have the same hash"):
        WhereSignatures(Attributes(1, {"tag": "any_of"}, {"tag": values}))
