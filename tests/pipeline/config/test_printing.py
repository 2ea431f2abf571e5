from pathlib import Path

import pytest

from dataplane.errors import ConfigError
from pipeline.cli import main
from pipeline.config.config import load_config
from pipeline.config.printing import print_config
from tests.paths import PROJECT

BASE = """\
schema_version: 1
name: base
training:
  batch_size: 512
"""
MINE = """\
extends: base.yaml
name: mine
data:
  interactions: {format: synthetic}
features:
  query:
    country: {type: categorical}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "mine.yaml").write_text(MINE)
    return tmp_path / "mine.yaml"


def origins(text: str) -> dict[str, str]:
    """Where each line's value comes from, by the line's text."""
    pairs = (line.partition("  # ") for line in text.splitlines())
    return {value.strip(): origin for value, _, origin in pairs}


def test_every_value_says_where_it_comes_from(file: Path) -> None:
    told = origins(print_config(file, ["training.max_epochs=7"]))
    assert told["name: mine"] == f"{file}:2"
    assert told["batch_size: 512"] == f"{file.parent / 'base.yaml'}:4 (extended)"
    assert told["max_epochs: 7"] == "--set"
    assert told["seed: 42"] == "default"
    assert told["type: categorical"] == f"{file}:7"
    assert told["min_count: 1"] == "default", "of a feature that is written"
    assert told["features:"] == ""


@pytest.mark.parametrize("shipped", sorted((PROJECT / "tfx_config").glob("**/*.yaml")), ids=lambda path: path.stem)
def test_what_is_printed_is_the_same_configuration(shipped: Path, tmp_path: Path) -> None:
    try:
        config = load_config(shipped)
    except ConfigError:
        pytest.skip("not a whole configuration, or its data are not here")
    printed = shipped.with_name(f".printed-{shipped.name}")
    try:
        printed.write_text(print_config(shipped))
        assert load_config(printed) == config
    finally:
        printed.unlink()


def test_validate_prints_it(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(file), "--print", "--set", "seed=5"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"# {file} is valid: pipeline mine, split leave_last_n\n")
    (file.parent / "again.yaml").write_text(told)
    assert load_config(file.parent / "again.yaml") == load_config(file, ["seed=5"])


def test_texts_that_yaml_would_misread_are_quoted(file: Path) -> None:
    printed = print_config(file, ['features.query.country.column="1.5"'])
    assert origins(printed)["column: '1.5'"] == "--set"
