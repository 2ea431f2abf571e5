"""Answers merged with changes of candidates: equal to a model over the changed catalogue."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.changes.change_log import Change, ChangeLog
from serving.model.requests import complete_request
from serving.server.fresh_answers import FreshAnswers
from serving.server.fresh_candidates import FreshCandidates, SideTable
from tests.serving.server.exact_model import (
    ASKED,
    ATTRIBUTES,
    COLOURS,
    COUNTS,
    KINDS,
    LOWEST,
    SIGNATURES,
    VECTORS,
    K,
    Model,
    attributes_of,
    embedded,
)


def answers(model: Model, log: ChangeLog) -> FreshAnswers:
    changes = FreshCandidates(log, embedded, KINDS)
    return FreshAnswers(changes, SIGNATURES, remove_seen=True, predict=model.predict, nearest=model.nearest)


IDS = st.sampled_from([*VECTORS, "n1", "n2", "n3"])
CHANGES = st.lists(st.tuples(IDS, st.one_of(st.none(), st.floats(0, 9, width=32))), max_size=14)
LISTS = st.lists(IDS, max_size=4)
_COLOURS = st.lists(st.sampled_from([*COLOURS, "unknown", ""]), max_size=2)
CONSTRAINTS = {
    **{f"where_{kind}": _COLOURS for kind in ("some", "every", "no")},
    "where_brand": st.sampled_from([*COLOURS, "unknown"]),
    **{f"where_price_{end}": st.integers(0, 9).map(float) for end in ("min", "max")},
}
ROWS = st.one_of(
    st.tuples(
        st.just("recommend_filtered"),
        st.fixed_dictionaries({"taste": st.integers(0, 9), "history": LISTS, "exclude_ids": LISTS, "allow_ids": LISTS}),
    ),
    st.tuples(
        st.sampled_from(["recommend_where", "recommend_known_where"]),
        st.fixed_dictionaries({"history": LISTS, "exclude_ids": LISTS}, optional=CONSTRAINTS),
    ),
    st.tuples(st.just("serving_default"), st.fixed_dictionaries({"taste": st.integers(0, 9), "history": LISTS})),
    st.tuples(
        st.just("score"),
        st.fixed_dictionaries({"taste": st.integers(0, 9), "candidate_ids": st.lists(IDS, min_size=3, max_size=3)}),
    ),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(CHANGES, max_size=3), asked=ROWS, others=st.lists(st.integers(0, 9), max_size=2))
def test_answers_are_those_of_a_model_over_the_changed_catalogue(
    tmp_path_factory: pytest.TempPathFactory, batches: Any, asked: tuple[str, Any], others: list[int]
) -> None:
    log, vectors, attributes = ChangeLog(tmp_path_factory.mktemp("logs"), 1, {}), dict(VECTORS), dict(ATTRIBUTES)
    model = Model(VECTORS)
    fresh = answers(model, log)
    signature, row = asked
    by_query = {"query_id": "q1"} if "known" in signature else {"taste": 3}
    every = [{**by_query, **row}, *({**row, **(by_query if "known" in signature else {"taste": it})} for it in others)]
    rows = [complete_request(SIGNATURES[signature], it) for it in every]
    for batch in batches:  # read in several steps, as a server does
        for name, price in batch:
            vectors.pop(name, None)
            if price is not None:
                attributes[name] = attributes_of(int(price))
                vectors[name] = embedded([{"candidate_id": name, "price": price}])[0]
        if batch:
            log.append([change_of(name, price) for name, price in batch])
        found = fresh.merged(signature, rows, model.predict(signature, rows), wanted=None)
        wanted = Model(vectors, attributes).predict(signature, rows)
        np.testing.assert_allclose(found["scores"], wanted["scores"], rtol=1e-5, atol=1e-6)
        assert found.get("candidate_ids", np.array([])).tolist() == wanted.get("candidate_ids", np.array([])).tolist()


def change_of(name: str, price: float | None) -> Change:
    if price is None:
        return Change(name, None)
    return Change(name, {"candidate_id": name, "price": price}, attributes_of(int(price)))


def changed(tmp_path: Path, *changes: tuple[str, float | None]) -> ChangeLog:
    log = ChangeLog(tmp_path, 1, {})
    log.append([change_of(name, price) for name, price in changes])
    return log


def in_force(changes: FreshCandidates) -> SideTable:
    table = changes.table()
    assert table is not None
    return table


@pytest.mark.parametrize("option", [{"mmr_lambda": 0.5}, {"max_per_brand": 1}])
def test_a_chosen_answer_stays_in_its_order_and_has_no_added_candidate(tmp_path: Path, option: dict[str, Any]) -> None:
    signatures = {**SIGNATURES, "recommend_where": {**SIGNATURES["recommend_where"], "max_per_brand": COUNTS}}
    fresh = FreshAnswers(
        FreshCandidates(changed(tmp_path, ("c1", None), ("c2", 5.0), ("n1", 5.0)), embedded, KINDS),
        signatures,
        remove_seen=True,
        predict=Model(VECTORS).predict,
        nearest=Model(VECTORS).nearest,
    )
    rows = [complete_request(signatures["recommend_where"], row) for row in (option, {})]
    ids = np.array([[b"c5", b"c3", b"c2", b""]] * 2, object)
    scores = np.array([[0.1, 0.7, 0.3, LOWEST]] * 2, np.float32)
    found = fresh.merged("recommend_where", rows, {"candidate_ids": ids, "scores": scores}, wanted=None)
    assert found["candidate_ids"][0].tolist() == [b"c5", b"c3", b"", b""]
    assert found["scores"][0].tolist() == pytest.approx([0.1, 0.7, LOWEST, LOWEST])
    assert {b"n1", b"c2"} & {*found["candidate_ids"][1].tolist()}


def test_a_version_with_a_label_is_answered_with_the_changes_of_newer_versions(tmp_path: Path) -> None:
    old, new = changed(tmp_path, ("n1", 5.0), ("c1", None)), ChangeLog(tmp_path, 2, {"towers": "new"})
    table = FreshCandidates(old, embedded, KINDS)
    new.append([change_of("n2", 1.0)])
    assert [*in_force(table).rows] == [b"n1", b"n2"]
    new.append([change_of("n1", None), change_of("c1", 2.0)])
    old.append([change_of("c1", 3.0)])  # a client that does not know of the new version yet; the new one knows better
    found = in_force(table)
    assert ({*found.rows}, {*found.hidden}) == ({b"n2", b"c1"}, {b"n1", b"n2", b"c1"})
    assert np.array_equal(found.vectors[found.rows[b"c1"]], embedded([{"candidate_id": "c1", "price": 2.0}])[0])
    assert [*in_force(FreshCandidates(new, embedded, KINDS)).rows] == [b"n2", b"c1"]
    new.file.unlink()
    assert {*in_force(table).rows} == {b"n1", b"c1"}


def test_a_known_query_does_not_get_an_updated_candidate_that_it_has_seen(tmp_path: Path) -> None:
    model = Model(VECTORS)
    fresh = answers(model, changed(tmp_path, ("c1", 3.0), ("n1", 5.0)))
    rows = [complete_request(SIGNATURES["recommend_known"], {"query_id": name}) for name in ("q1", "q2")]
    found = fresh.merged("recommend_known", rows, model.predict("recommend_known", rows), wanted=None)
    query = model.query(rows[1])
    new = embedded([{"candidate_id": "c1", "price": 3.0}, {"candidate_id": "n1", "price": 5.0}]) @ query
    own = {name: float(query @ vector) for name, vector in VECTORS.items() if name != "c1"}
    best = sorted(
        own | {"c1": float(new[0]), "n1": float(new[1])},
        key=lambda name: -(own | {"c1": float(new[0]), "n1": float(new[1])})[name],
    )
    assert b"c1" not in found["candidate_ids"][0].tolist()
    assert [name.decode() for name in found["candidate_ids"][1] if name] == best[:K]


def test_similar_candidates_of_a_new_one_are_the_nearest_old_and_new(tmp_path: Path) -> None:
    model = Model(VECTORS)
    fresh = answers(model, changed(tmp_path, ("n1", 1.0), ("n2", 2.0), ("c3", None)))
    rows = [{"candidate_id": name} for name in ("n1", "c3", "c4", "unknown")]
    found = fresh.merged("similar_candidates", rows, model.predict("similar_candidates", rows), wanted=None)
    ids = found["candidate_ids"].tolist()
    vectors = {name: vector for name, vector in VECTORS.items() if name != "c3"}
    vectors["n2"] = embedded([{"candidate_id": "n2", "price": 2.0}])[0]
    own = embedded([{"candidate_id": "n1", "price": 1.0}])[0]
    nearest = sorted(vectors, key=lambda name: -float(own @ vectors[name]))
    assert [name.decode() for name in ids[0] if name] == nearest[: len([name for name in ids[0] if name])]
    assert ids[1] == ids[3] == [b""] * K
    assert b"c3" not in ids[2]


def test_the_model_is_asked_again_only_if_too_few_of_the_wanted_answers_are_left(tmp_path: Path) -> None:
    model = Model(VECTORS)
    rows = [complete_request(ASKED, {"taste": 5})]
    outputs = model.predict("serving_default", rows)
    last = outputs["candidate_ids"][0, -1].decode()
    fresh = answers(model, changed(tmp_path, (last, None)))
    model.calls.clear()
    fresh.merged("serving_default", rows, outputs, wanted=K - 1)
    assert model.calls == ["embed_query"]
    fresh.merged("serving_default", rows, outputs, wanted=None)
    assert model.calls == ["embed_query", "recommend_filtered", "embed_query"]


def test_a_damaged_log_leaves_the_answers_as_they_were(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = changed(tmp_path, ("c1", None))
    model = Model(VECTORS)
    rows = [complete_request(ASKED, {"taste": 5})]
    log.append([Change("c2", None)])
    log.file.write_bytes(log.file.read_bytes().replace(b'"c1"', b'"c9"'))
    outputs = model.predict("serving_default", rows)
    assert answers(model, log).merged("serving_default", rows, outputs, wanted=None) is outputs
    assert "changes of candidates are not in force" in caplog.text
