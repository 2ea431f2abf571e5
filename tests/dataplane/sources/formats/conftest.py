"""Runs of ExampleGen in the test's own directory."""

import pytest

from tests.components.source_runs import Run


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)
