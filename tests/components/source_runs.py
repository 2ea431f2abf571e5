"""Runs of ExampleGen on small files, for tests."""

import pyarrow as pa
import pyarrow.parquet as pq

from components.example_gen import ExampleGen, ExampleGenParams
from dataplane.artifacts import Examples
from tests.contexts import in_process

PAIR = {"query_id": "u", "candidate_id": "i"}


class Run:
    """Runs ExampleGen in its own directory."""

    def __init__(self, directory):
        self.directory = directory
        self.examples = Examples(directory / "examples")

    def write(self, name, text, encoding="utf-8"):
        (self.directory / name).write_bytes(text.encode(encoding))

    def parquet(self, name, columns, **options):
        pq.write_table(pa.table(columns), self.directory / name, **options)

    def component(self, **data):
        return ExampleGen(ExampleGenParams(base_dir=self.directory, **data))

    def __call__(self, **data):
        component = self.component(**data)
        context = in_process(scratch=self.directory / "scratch")
        return component.execute(ExampleGen.Inputs(), ExampleGen.Outputs(self.examples), context)

    def rows(self, table, order=None):
        """Rows of a table over all shards; [] if it has no directory."""
        shards = sorted((self.examples.path / table).glob("*.parquet"))
        rows = pa.concat_tables(map(pq.read_table, shards)).to_pylist() if shards else []
        return sorted(rows, key=lambda row: row[order]) if order else rows

    def summary(self, table="interactions"):
        return self.examples.read_json("summary.json")["tables"][table]

    def types(self, table="interactions"):
        return self.examples.read_json("summary.json")["columns"][table]


def csv(path="events.csv", columns=PAIR, **settings):
    return {"format": "csv", "path": path, "columns": columns, **settings}
