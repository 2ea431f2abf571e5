"""Every YAML block of README and docs is a configuration, or a part of one, that the program accepts."""

from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from dataplane.errors import ConfigError
from pipeline.config.config import load_config
from pipeline.config.json_schema import editor_schema
from tests.docs.blocks import Block, blocks
from tests.paths import PROJECT

BASE = """
schema_version: 1
name: base
data:
  interactions: {format: csv, path: events.csv, columns: {query_id: user, candidate_id: item, timestamp: at}}
"""
YAML_BLOCKS = [block for block in blocks() if block.language == "yaml" and not block.title]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "tfx_config").symlink_to(PROJECT / "tfx_config")
    (tmp_path / "base.yaml").write_text(BASE, encoding="utf-8")
    return tmp_path


def test_there_are_configurations() -> None:
    assert len(YAML_BLOCKS) > 10


@pytest.mark.parametrize("block", YAML_BLOCKS, ids=str)
def test_the_configuration_is_accepted(block: Block, directory: Path) -> None:
    (directory / "block.yaml").write_text(block.text, encoding="utf-8")
    if not yaml.safe_load(block.text):
        assert block.text.startswith("# yaml-language-server: $schema=")
        return
    (directory / "whole.yaml").write_text("extends: [base.yaml, block.yaml]\n", encoding="utf-8")
    is_whole = "schema_version" in yaml.safe_load(block.text) or "extends" in yaml.safe_load(block.text)
    assert problems_of(directory / ("block.yaml" if is_whole else "whole.yaml")) == []


def problems_of(file: Path) -> list[str]:
    """Problems of a configuration, besides that the reader's files are not here."""
    try:
        load_config(file)
    except ConfigError as error:
        return [line for line in str(error).splitlines()[1:] or [str(error)] if "does not exist" not in line]
    return []


@pytest.mark.parametrize("block", YAML_BLOCKS, ids=str)
def test_editors_accept_the_configuration(block: Block) -> None:
    written = yaml.safe_load(block.text) or {}
    errors = [error.message for error in Draft7Validator(editor_schema()).iter_errors(written)]
    assert errors == []
