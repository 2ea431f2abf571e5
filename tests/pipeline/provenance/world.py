"""A toy pipeline whose data and code tests may change."""

import shutil
from pathlib import Path
from typing import Any

from components.base import Params
from pipeline.execution import fingerprint
from pipeline.execution.dag import Pipeline
from pipeline.provenance.explanation import Explanation, explain
from tests.paths import PROJECT
from tests.pipeline import toy_components
from tests.pipeline.execution.test_runner import Session
from tests.pipeline.toy_components import Add, AddParams, Finish, Source, SourceParams

TOYS = "tests/pipeline/toy_components.py"


class World:
    """A toy pipeline with a source file, and a copy of its code that tests may change."""

    def __init__(self, directory: Path) -> None:
        self.session = Session(directory / "root")
        self.data = directory / "data.txt"
        self.data.write_text("3")
        self.code = directory / "code"
        self.amount = 1
        self.add: type[Add] = Add
        for file in fingerprint.code_digests(toy_components.__name__, PROJECT):
            (self.code / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / file, self.code / file)

    def run(self, **selection: Any) -> None:
        fingerprint.code_digests.cache_clear()
        fingerprint.library_versions.cache_clear()
        pipeline = Pipeline("toy")
        source = pipeline.add(Source(SourceParams(file=self.data)))
        add = pipeline.add(self.add(AddParams(amount=self.amount)), node_id="Add", examples=source["examples"])
        pipeline.add(Finish(Params()), statistics=add["statistics"])
        self.session.run(pipeline, **selection)

    @property
    def root(self) -> str:
        return str(self.session.store.directory.parent)

    def explain(self, node: str) -> Explanation:
        store = self.session.store
        return explain(store, store.runs()[-1], node)

    def append(self, file: str, text: str) -> None:
        with (self.code / file).open("a") as stream:
            stream.write(text)
