from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.config.config import PipelineConfig, load_config, with_absolute_paths
from pipeline.config.printing import print_config
from pipeline.config.yaml_file import read_document
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


@pytest.mark.parametrize("shipped", sorted((PROJECT / "tfx_config").glob("*.yaml")), ids=lambda path: path.stem)
def test_what_is_printed_is_the_same_configuration_anywhere(shipped: Path, tmp_path: Path) -> None:
    printed = tmp_path / "printed.yaml"
    printed.write_text(print_config(shipped))
    assert _read(printed) == _read(shipped)


EVENTS = """\
schema_version: 1
name: shop
data:
  interactions: {format: csv, path: orders.csv, columns: {query_id: user, candidate_id: item}}
"""


@pytest.mark.parametrize(
    ("own", "path"),
    [
        ("data: {base_dir: tables}", "tables/orders.csv"),
        ("data: {base_dir: ../elsewhere}", "../elsewhere/orders.csv"),
        ("", "orders.csv"),
    ],
)
def test_what_is_printed_finds_its_files_from_another_folder(own: str, path: str, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "base.yaml").write_text(EVENTS)
    mine, printed = tmp_path / "mine" / "c.yaml", tmp_path / "other" / "printed.yaml"
    mine.parent.mkdir()
    mine.write_text(f"extends: ../shared/base.yaml\nserving: {{push: {{directory: models}}}}\n{own}\n")
    (mine.parent / path).parent.mkdir(exist_ok=True)
    (mine.parent / path).write_text("user,item\na,b\n")
    printed.parent.mkdir()
    printed.write_text(print_config(mine))
    assert load_config(printed) == load_config(mine)
    assert f"base_dir: {mine.parent}" in printed.read_text()


def test_locations_in_a_store_are_printed_as_they_are(tmp_path: Path) -> None:
    mine, printed = tmp_path / "c.yaml", tmp_path / "other" / "printed.yaml"
    mine.write_text(EVENTS.replace("orders.csv", "'gs://b/orders/*.csv'") + "serving: {push: {directory: gs://b/m}}\n")
    printed.parent.mkdir()
    printed.write_text(print_config(mine))
    assert _read(printed) == _read(mine)
    assert "path: gs://b/orders/*.csv" in printed.read_text()
    assert "directory: gs://b/m" in printed.read_text()


@pytest.mark.parametrize(
    "split",
    [
        "{method: time}",
        "{method: time, validation_from: 2026-01-01, test_from: 2026-02-01}",
        "{method: ratio}",
        "{method: ratio, by: query}",
        "{method: files}",
    ],
)
def test_a_split_that_is_printed_in_full_is_the_same(split: str, file: Path) -> None:
    printed = file.with_name("printed.yaml")
    printed.write_text(print_config(file, [f"split={split}"]))
    assert _read(printed).split == PipelineConfig.model_validate(read_document(file, [f"split={split}"]).values).split


def _read(file: Path) -> PipelineConfig:
    """The configuration, without a look at its files."""
    return with_absolute_paths(PipelineConfig.model_validate(read_document(file).values), file.parent)


def test_validate_prints_it(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(file), "--print", "--set", "seed=5"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"# {file} is valid: pipeline mine, split leave_last_n\n")
    (file.parent / "again.yaml").write_text(told)
    assert load_config(file.parent / "again.yaml") == load_config(file, ["seed=5"])


def test_texts_that_yaml_would_misread_are_quoted(file: Path) -> None:
    printed = print_config(file, ['features.query.country.column="1.5"'])
    assert origins(printed)["column: '1.5'"] == "--set"
