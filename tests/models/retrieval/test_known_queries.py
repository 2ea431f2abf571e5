"""Queries that the serving model knows by id."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from models.retrieval.attributes import Values
from models.retrieval.candidate_ids import CandidateIds
from models.retrieval.index import ExactSearch
from models.retrieval.known_queries import KnownQueries, StoredEvents
from models.retrieval.serving import ServingModule, export
from models.retrieval.where import Attributes, WhereSignatures
from tests.models.retrieval.small_serving import (
    CANDIDATES,
    EMBEDDINGS,
    FEATURES,
    IDS,
    ask,
    id_lists,
    module,
    request,
)

AGES = [20.0, 0.0, 60.0, 35.0]
HISTORIES = [[3, 35, 3, 7, 8], [], [39], [1, 2]]
EMBEDDED = ("query_id", "device", "history")
NAMES = [f"query {row} ü" for row in range(4)]


def known(parts: tuple[Any, Any]) -> KnownQueries:
    tokens = parts[0].candidate_tokens(tf.constant(IDS, tf.string)).numpy()
    events = StoredEvents(
        offsets=np.cumsum([0, *map(len, HISTORIES)]).astype(np.int64),
        candidates=np.array([item for history in HISTORIES for item in history], np.int32),
        tokens=tokens,
        served=np.arange(CANDIDATES, dtype=np.int32),
    )
    ids = CandidateIds(np.array(NAMES, object))
    return KnownQueries(FEATURES, ids, {"age": np.array(AGES, np.float32)[:, None]}, events)


@pytest.fixture(scope="module")
def serving(parts: tuple[Any, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[bool, ServingModule]:
    return {
        remove_seen: module(parts, ExactSearch(EMBEDDINGS), remove_seen=remove_seen, families=[known(parts)])
        for remove_seen in (True, False)
    }


def by_id(ids: list[str], newer: list[list[str]], excluded: list[list[str]] | None = None) -> dict[str, tf.Tensor]:
    return {
        "exclude_ids": id_lists(excluded or [[]] * len(ids)),
        "query_id": tf.constant(ids, tf.string, [len(ids)]),
        "device": tf.constant(["tv"] * len(ids), tf.string, [len(ids)]),
        "history": id_lists(newer),
    }


ROWS = st.lists(
    st.tuples(
        st.sampled_from([*range(4), None]),
        st.lists(st.sampled_from([*IDS, "unknown", ""]), max_size=5),
    ),
    max_size=5,
)


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, remove_seen=st.booleans())
def test_an_id_is_answered_as_the_stored_features_with_the_newer_events_after_the_stored(
    serving: dict[bool, ServingModule], rows: list[tuple[int | None, list[str]]], remove_seen: bool
) -> None:
    ids = ["nobody" if row is None else NAMES[row] for row, _ in rows]
    ages = [float("nan") if row is None else AGES[row] for row, _ in rows]
    stored = [[] if row is None else [IDS[item] for item in HISTORIES[row]] for row, _ in rows]
    newer = [items for _, items in rows]
    whole = request([old + new for old, new in zip(stored, newer, strict=True)], ages)
    asked = by_id(ids, newer)
    found, wanted = (
        ask(serving[remove_seen], "recommend_known", asked),
        ask(serving[remove_seen], "serving_default", whole),
    )
    assert np.array_equal(found["candidate_ids"], wanted["candidate_ids"])
    assert np.allclose(found["scores"], wanted["scores"], rtol=1e-5)
    embedded = ask(serving[remove_seen], "embed_known", {name: asked[name] for name in EMBEDDED})["embedding"]
    assert np.allclose(embedded, ask(serving[remove_seen], "embed_query", whole)["embedding"], rtol=1e-5)


def test_excluded_candidates_are_not_answered(serving: dict[bool, ServingModule]) -> None:
    for module_ in serving.values():
        before = [name.decode() for name in ask(module_, "recommend_known", by_id(NAMES[:1], [[]]))["candidate_ids"][0]]
        excluded = [before[0], before[2], "unknown", ""]
        after = ask(module_, "recommend_known", by_id(NAMES[:1], [[]], [excluded]))["candidate_ids"][0]
        names = [name.decode() for name in after if name]
        assert names[: len(before) - 2] == [before[1], *before[3:]]
        assert not {*excluded} & {*names}


def test_an_id_is_answered_among_the_candidates_that_a_filter_leaves(parts: tuple[Any, Any]) -> None:
    stored, is_blue = known(parts), np.arange(CANDIDATES) % 3 == 0
    blue = Values(np.array(["blue"], object), np.zeros(is_blue.sum(), int), np.flatnonzero(is_blue))
    where = WhereSignatures(Attributes(CANDIDATES, {"colour": "equals"}, {"colour": blue}), known=stored)
    serving = module(parts, ExactSearch(EMBEDDINGS), families=[stored, where])
    options = {"where_colour": tf.constant(["blue"] * 2), "mmr_lambda": tf.constant([np.nan] * 2, tf.float32)}
    ids, excluded = [NAMES[0], "nobody"], [[IDS[6]], [IDS[9]]]
    found = ask(serving, "recommend_known_where", by_id(ids, [[IDS[0]], []], excluded) | options)
    whole = request([[*IDS[HISTORIES[0]], IDS[0]], []], [AGES[0], float("nan")])
    wanted = ask(serving, "recommend_where", whole | options | {"exclude_ids": id_lists(excluded)})
    assert np.array_equal(found["candidate_ids"], wanted["candidate_ids"])
    answered = {name.decode() for name in found["candidate_ids"].reshape(-1) if name}
    assert answered
    assert answered <= {*IDS[is_blue]}


def test_known_queries_are_saved_with_the_model(serving: dict[bool, ServingModule], tmp_path: Path) -> None:
    export(serving[True], tmp_path / "model")
    loaded = tf.saved_model.load(str(tmp_path / "model")).signatures["recommend_known"]
    asked = by_id([NAMES[0], "nobody"], [[], []])
    found, before = loaded(**asked), ask(serving[True], "recommend_known", asked)
    assert np.array_equal(found["candidate_ids"].numpy(), before["candidate_ids"])
    assert list(serving[True].inputs["recommend_known"]) == [*EMBEDDED, "exclude_ids"]


def test_the_bytes_of_features_events_and_ids_are_told(parts: tuple[Any, Any]) -> None:
    found = known(parts)
    assert found.events == 8
    text = sum(len(name.encode()) for name in NAMES)
    tables = 4 * (2 * (CANDIDATES + 1) + 9) + 8 * 5
    lookup = 4 * (8 + 4)
    assert found.nbytes == text + tables + lookup + 4 * len(AGES)
