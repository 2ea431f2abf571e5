from pathlib import Path

import pytest

from benchmarks.datasets.sources import SOURCES
from benchmarks.quality.names import AUTO, DEFAULT, ID_ONLY, system_names
from benchmarks.quality.systems import write_config
from models.spec.recipes import recipes_to_try
from pipeline.config.config import PipelineConfig, load_config

SOURCE = SOURCES["synthetic cold"]


def configuration(system: str, tmp_path: Path, *, is_quick: bool = False) -> PipelineConfig:
    file = write_config(system, SOURCE, data=None, work=tmp_path, directory=tmp_path, is_quick=is_quick)
    return load_config(file)


@pytest.mark.parametrize("system", system_names())
def test_every_system_fits_the_synthetic_stream(tmp_path: Path, system: str) -> None:
    config = configuration(system, tmp_path)
    own = load_config(SOURCE.config)
    assert config.data.interactions == own.data.interactions
    assert config.resolved_split == own.resolved_split
    if system not in (DEFAULT, ID_ONLY):
        assert config.training.metric == "recall@50", "of what training knows, the nearest to recall@100"
        assert config.training.max_epochs == SOURCE.epochs or system == AUTO


def test_ids_alone_leave_every_feature_out(tmp_path: Path) -> None:
    assert configuration(DEFAULT, tmp_path).features.candidate
    features = configuration(ID_ONLY, tmp_path).features
    assert not features.candidate
    assert not features.query


def test_a_quick_run_trains_for_two_epochs(tmp_path: Path) -> None:
    assert configuration("dssm", tmp_path, is_quick=True).training.max_epochs == 2


def test_auto_leaves_all_recipes_open(tmp_path: Path) -> None:
    config = configuration(AUTO, tmp_path)
    assert len(recipes_to_try(config.features, config.model, config.training)) == 4
