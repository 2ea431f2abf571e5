"""What of the stored queries goes into the models."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from components.scann_indexer import ScannIndexerParams
from components.scann_indexer.executor import Subject, open_subject
from components.scann_indexer.known_queries import known_queries, known_queries_digest, known_queries_report
from tests.components.tiny_world import World, make_world
from tests.contexts import in_process

UNINDEXED: Any = SimpleNamespace(query_index=None)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), candidates=30)


def opened(world: World, path: Path, **params: Any) -> Subject:
    context = in_process(scratch=path)
    settings = ScannIndexerParams(known_queries=True, **params)
    return open_subject(world.transformed_examples, world.transform_graph, world.model, None, settings, context)


def test_all_events_are_stored_where_seen_candidates_are_removed(world: World, tmp_path: Path) -> None:
    subject = opened(world, tmp_path)
    known = known_queries(subject, UNINDEXED)
    assert known is not None
    events = subject.dataset.events
    assert np.array_equal(known.candidates.numpy()[:-1], events.candidate)
    report = known_queries_report(known)
    assert (report.queries, report.events) == (40, len(events.candidate))
    assert report.text == f"40 queries with {len(events.candidate)} events, {report.bytes:,} bytes"


def test_only_the_latest_events_are_stored_where_the_tower_alone_reads_them(world: World, tmp_path: Path) -> None:
    subject = opened(world, tmp_path, remove_seen=False)
    known = known_queries(subject, UNINDEXED)
    assert known is not None
    offsets, stored = known.offsets.numpy(), known.candidates.numpy()
    events = subject.dataset.events
    for row in range(40):
        every = events.candidate[events.offsets[row] : events.offsets[row + 1]]
        assert np.array_equal(stored[offsets[row] : offsets[row + 1]], every[-4:])


def test_nothing_is_stored_unless_configured_and_other_queries_are_another_model(world: World, tmp_path: Path) -> None:
    subject = opened(world, tmp_path)
    other = make_world(tmp_path / "other", candidates=30, seed=1)
    assert known_queries_digest(subject) != known_queries_digest(opened(other, tmp_path))
    off = subject.params.model_copy(update={"known_queries": False})
    assert known_queries(SimpleNamespace(params=off), UNINDEXED) is None  # type: ignore[arg-type]
