"""Synthetic data: reproducible, independent of chunks, and learnable."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.example_gen import ExampleGen, ExampleGenParams
from dataplane.artifacts import Examples
from dataplane.sources.config import SyntheticInteractions
from dataplane.sources.formats.synthetic import SyntheticReader
from dataplane.sources.formats.synthetic_world import make_candidates, make_events
from tests.contexts import in_process

SETTINGS = SyntheticInteractions(format="synthetic", queries=600, candidates=300, events_per_query=20, topics=8)


@pytest.fixture(scope="module")
def events():
    return make_events(SETTINGS, 0, SETTINGS.queries)


@pytest.fixture(scope="module")
def world():
    return make_candidates(SETTINGS)


def test_tables_fit_together(tmp_path):
    params = ExampleGenParams(interactions={"format": "synthetic", "queries": 50, "candidates": 60, "topics": 4})
    outputs = ExampleGen.Outputs(Examples(tmp_path / "examples"))
    facts = ExampleGen(params).execute(ExampleGen.Inputs(), outputs, in_process(scratch=tmp_path))
    tables = {
        name: pa.concat_tables(map(pq.read_table, (tmp_path / "examples" / name).glob("*.parquet")))
        for name in ("interactions", "queries", "candidates")
    }
    assert facts["queries"] == tables["queries"].num_rows == 50
    assert facts["candidates"] == tables["candidates"].num_rows == 60
    ids = set(tables["candidates"]["candidate_id"].to_pylist())
    assert set(tables["interactions"]["candidate_id"].to_pylist()) <= ids
    assert set(tables["interactions"]["query_id"].to_pylist()) == set(tables["queries"]["query_id"].to_pylist())
    assert tables["interactions"]["timestamp"].type == pa.timestamp("us", tz="UTC")
    assert ExampleGen(params).prepare().external == {}


def test_seed_and_settings_decide_everything():
    def read(settings):
        reader = SyntheticReader("interactions", settings)
        return [rows.batch for piece in reader.pieces() for rows in reader.read(piece, None, None)]

    assert read(SETTINGS) == read(SETTINGS.model_copy())
    assert read(SETTINGS) != read(SETTINGS.model_copy(update={"seed": 1}))


def test_pieces_do_not_depend_on_each_other():
    reader = SyntheticReader("interactions", SETTINGS.model_copy(update={"queries": 5000}))
    pieces = reader.pieces()
    assert len(pieces) == 3
    backwards = [next(reader.read(piece, None, None)).batch for piece in reversed(pieces)]
    assert [next(reader.read(piece, None, None)).batch for piece in pieces] == backwards[::-1]


def test_candidates_are_chosen_once_and_after_their_release(events, world):
    pairs = events.query * SETTINGS.candidates + events.candidate
    assert len(np.unique(pairs)) == len(pairs)
    assert (np.diff(events.seconds)[np.diff(events.query) == 0] >= 0).all()
    out = world.released[events.candidate] <= events.seconds
    assert out.mean() > 0.99


def test_popularity_is_skewed(events):
    counts = np.sort(np.bincount(events.candidate, minlength=SETTINGS.candidates))[::-1]
    assert counts[:30].sum() > 2 * 0.1 * counts.sum()


def test_late_events_are_full_of_new_candidates(events):
    cut = np.quantile(events.seconds, 0.9)
    known = np.unique(events.candidate[events.seconds < cut])
    assert np.mean(~np.isin(events.candidate[events.seconds >= cut], known)) > 0.05


def hit_rate(events, score, k=10):
    """Share of last events among the k best of all candidates not chosen before."""
    last = np.r_[np.flatnonzero(np.diff(events.query)), len(events.query) - 1]
    start = np.r_[0, last[:-1] + 1]
    hits = []
    for first, position in zip(start, last, strict=True):
        seen = events.candidate[first:position]
        scores = score(seen, events.seconds[position]).astype(float)
        scores[seen] = -np.inf
        hits.append((scores >= scores[events.candidate[position]]).sum() <= k)
    return np.mean(hits)


def test_tastes_and_sequence_beat_popularity_by_far(events, world):
    noise = np.random.default_rng(0).random(SETTINGS.candidates) * 1e-3
    counts = np.bincount(events.candidate, minlength=SETTINGS.candidates) + noise
    in_topic = [world.topic == topic for topic in range(SETTINGS.topics)]

    def taste(seen, now):
        return counts * np.bincount(world.topic[seen], minlength=SETTINGS.topics)[world.topic]

    def last_topic(seen, now):
        return counts * in_topic[world.topic[seen[-1]]] * (world.released <= now)

    popularity = hit_rate(events, lambda seen, now: counts)
    assert hit_rate(events, taste) > 2.5 * popularity
    assert hit_rate(events, last_topic) > hit_rate(events, taste)


def test_titles_and_genres_show_the_topic(world):
    table = pa.Table.from_batches([next(SyntheticReader("candidates", SETTINGS).read(
        SyntheticReader("candidates", SETTINGS).pieces()[0], None, None)).batch])  # fmt: skip
    genres = table["genres"].to_pylist()
    assert [row[0] for row in genres] == [f"genre{topic}" for topic in world.topic]
    words = [set(title.lower().split()[1:]) for title in table["title"].to_pylist()]
    same = [len(words[a] & words[b]) for a in range(40) for b in range(a) if world.topic[a] == world.topic[b]]
    other = [len(words[a] & words[b]) for a in range(40) for b in range(a) if world.topic[a] != world.topic[b]]
    assert np.mean(same) > 5 * np.mean(other)
