"""Files to draft from, and their drafts, in the test's own directory."""

import csv

import pytest
import yaml

from pipeline.config.config import load_config
from tests.pipeline.drafting.drafts import draft_config


@pytest.fixture
def write(tmp_path):
    def write(name, rows, header="", delimiter=","):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file, delimiter=delimiter, lineterminator="\n")
            lines.writerows([header.split(",")] if header else [])
            lines.writerows(rows)
        return path

    return write


@pytest.fixture
def drafted(tmp_path):
    """The draft for the test's directory, after `validate` has accepted it, and its text."""

    def drafted(*paths):
        text = draft_config([str(path) for path in paths or (tmp_path,)])
        file = tmp_path / "draft.yaml"
        file.write_text(text, encoding="utf-8")
        load_config(file)
        return yaml.safe_load(text), text

    return drafted
