"""The small world, transformed once for each file of tests."""

import pyarrow as pa
import pytest

from dataplane.artifacts import TransformGraph
from dataplane.dataset.sequences import Dataset
from tests.components.transform.small_world import entity_tables, interactions, transform, write


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, TransformGraph, pa.Table]:
    directory = tmp_path_factory.mktemp("world")
    table = interactions()
    examples = write(directory / "in", interactions=table, **entity_tables())
    return *transform(examples, directory / "out"), table
