"""A table that is replaced between its cache key and its reading is refused, and nothing is kept under that key."""

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.execution.metadata import Store
from pipeline.execution.progress import PlainProgress
from tests.components.source_runs import csv
from tests.e2e.conftest import Result, cli


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose events are in two files."""
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "1.csv").write_text("u,i\na,x\n")
    (tmp_path / "events" / "2.csv").write_text("u,i\nb,y\n")
    file = tmp_path / "shop.yaml"
    file.write_text(yaml.safe_dump({"schema_version": 1, "name": "shop", "data": {"interactions": csv(path="events")}}))
    return file


def run(config: Path) -> Result:
    return cli("run", config, "--root", config.parent / "runs", "--only", "ExampleGen")


@pytest.mark.parametrize(
    ("replace", "message"),
    [
        (lambda events: (events / "1.csv").write_text("u,i\na,z\n"), "events/1.csv changed while it was being read"),
        (lambda events: (events / "1.csv").write_text("u,i\na,x\na,z\n"), "events/1.csv changed"),
        (lambda events: (events / "1.csv").unlink(), "events/1.csv was removed"),
        (lambda events: (events / "3.csv").write_text("u,i\nc,z\n"), "events/3.csv was added"),
    ],
)
def test_a_run_keeps_nothing_of_a_table_that_was_replaced(
    config: Path, monkeypatch: pytest.MonkeyPatch, replace: Callable[[Path], object], message: str
) -> None:
    def replace_and_start(self: PlainProgress, node: str) -> None:  # told when the key is made, before the reading
        replace(config.parent / "events")

    with monkeypatch.context() as patched:
        patched.setattr(PlainProgress, "step_started", replace_and_start)
        refused = run(config)
    assert refused.code == 3
    assert message in refused.err
    store = Store(config.parent / "runs", "shop")
    assert store.executions("ExampleGen") == []
    assert run(config).code == 0
    (execution,) = store.executions("ExampleGen")
    table = pq.read_table(store.output(execution, "examples") / "interactions")
    there = [line for file in (config.parent / "events").iterdir() for line in file.read_text().splitlines()[1:]]
    assert sorted(f"{row['query_id']},{row['candidate_id']}" for row in table.to_pylist()) == sorted(there)
