from pathlib import Path

import pytest

from tests.pipeline.reporting.small_run import Runs


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "runs")
