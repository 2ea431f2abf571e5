from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.data_plane.events import COLUMNS, generate


def test_events_are_skewed_and_some_have_no_query(tmp_path: Path) -> None:
    generate(tmp_path / "raw", 50_000)
    events = pq.read_table(tmp_path / "raw")
    assert set(COLUMNS.values()) <= set(events.column_names)
    assert events.num_rows == 50_000
    assert 0 < pc.sum(pc.equal(events["user"], "")).as_py() < 50
    counts = sorted((entry["counts"] for entry in pc.value_counts(events["item"]).to_pylist()), reverse=True)
    assert sum(counts[:50]) > 0.25 * 50_000


def test_the_same_size_gives_the_same_events(tmp_path: Path) -> None:
    for name in ("first", "second"):
        generate(tmp_path / name, 2_000)
    assert pq.read_table(tmp_path / "first").equals(pq.read_table(tmp_path / "second"))
