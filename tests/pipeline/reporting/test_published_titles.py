"""Titles of a published model's candidates, over records without anything that made them."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.pusher import PusherParams
from dataplane.errors import ConfigError
from pipeline.execution.metadata import Execution, Run, Store
from pipeline.execution.published import Published
from pipeline.reporting.published_titles import PublishedLookup, published_titles
from serving.published.publishing import Publisher
from tests.pipeline.commands.test_versions import export

SETTINGS = {"schema_version": 1, "name": "toy", "data": {"interactions": {"format": "synthetic"}}}


class Records:
    """A pipeline's records, to which versions are added."""

    def __init__(self, root: Path) -> None:
        self.root, self.store = root, Store(root, "toy")
        self._params = PusherParams(directory=root / "serving", name="toy", keep_versions=5)

    def add(self, node: str, execution: str, inputs: Mapping[str, str], outputs: Sequence[str]) -> Execution:
        params = self._params.model_dump(mode="json") if "Pusher" in node else {}
        added = Execution(node, execution, node, "", dict(inputs), list(outputs), params, {}, {}, "r", "", 0.0)
        for name in outputs:
            self.store.output(added, name).mkdir(parents=True, exist_ok=True)
        return self.store.commit(added)

    def add_table(self, node: str, outputs: Sequence[str], titles: Sequence[str | None]) -> None:
        candidates = self.store.execution_directory(node, "e") / "examples" / "candidates"
        candidates.mkdir(parents=True)
        columns = {"candidate_id": ["a", "b"], "title": titles, "colour": ["red", "blue"]}
        pq.write_table(pa.table(columns), candidates / "part.parquet")
        self.add(node, "e", {}, outputs)

    def publish(self, node: str, pusher: str, inputs: Mapping[str, str]) -> None:
        made = self.add(node, "e", inputs, ["serving_model"])
        model = export(self.store.output(made, "serving_model"), node)
        self.store.commit(made)
        Publisher(self._params.directory, "toy").publish(exact=model / "exact", scann=model / "scann", keep_versions=5)
        self.add(pusher, pusher[0] + "z", {"serving_model": f"{node}/e/serving_model"}, ["pushed_model"])


@pytest.fixture
def records(tmp_path: Path) -> Records:
    """A trained model that is published."""
    records = Records(tmp_path)
    records.add_table("ExampleGen", ["examples"], ["Alien", None])
    records.add("Transform", "e", {"examples": "ExampleGen/e/examples"}, ["transformed_examples"])
    records.publish("ScannIndexer", "Pusher", {"transformed_examples": "Transform/e/transformed_examples"})
    records.store.save_run(Run("r", "toy.yaml", 0, state="done", settings=SETTINGS))
    return records


def titles(records: Records) -> dict[str, str]:
    return published_titles(Published.newest(records.root, "toy"), {"a", "b", "gone"})


def test_titles_come_from_the_table_of_the_published_model(records: Records) -> None:
    assert titles(records) == {"a": "Alien"}
    records.store.save_run(Run("s", "toy.yaml", 0, state="done", settings={**SETTINGS, "display": "colour"}))
    assert titles(records) == {"a": "red", "b": "blue"}


def test_titles_of_a_refreshed_index_come_from_its_own_table(records: Records) -> None:
    records.add_table("CatalogueGen", ["examples", "catalogue"], ["Aliens", "Blade Runner"])
    inputs = {
        "transformed_examples": "Transform/e/transformed_examples",
        "catalogue": "CatalogueGen/e/catalogue",
    }
    records.publish("RefreshScannIndexer", "RefreshPusher", inputs)
    assert titles(records) == {"a": "Aliens", "b": "Blade Runner"}


@pytest.mark.parametrize("lost", ["examples", "manifest.json"])
def test_without_the_table_or_its_record_there_are_no_titles(records: Records, lost: str) -> None:
    path = records.store.execution_directory("ExampleGen", "e") / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert titles(records) == {}


def test_stored_queries_are_shown_only_where_they_may_be(records: Records) -> None:
    lookup = PublishedLookup(records.root, "toy", shows_queries=False)
    assert lookup.titles({"a"}) == {"a": "Alien"}
    assert lookup.query_ids() == []
    with pytest.raises(ConfigError, match="only shown by a server that listens on the loopback"):
        lookup.request("q1")


def test_without_a_published_version_there_are_no_titles(tmp_path: Path) -> None:
    assert PublishedLookup(tmp_path, "toy", shows_queries=True).titles({"a"}) == {}
