"""The schema for editors accepts what the program accepts, and marks what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from pipeline.cli import main
from tests.paths import PROJECT

OTHERS = ("schedules", "serving", "monitoring")
CONFIGS = [path for path in sorted((PROJECT / "tfx_config").rglob("*.yaml")) if path.parent.name not in OTHERS]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((PROJECT / "tfx_config/schema.json").read_text(encoding="utf-8"))
    return content


def problems(schema: dict[str, Any], text: str) -> list[str]:
    return [error.message for error in Draft7Validator(schema).iter_errors(yaml.safe_load(text))]


def test_the_file_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    printed = capsys.readouterr().out
    assert printed == (PROJECT / "tfx_config/schema.json").read_text(encoding="utf-8"), "run `make docs.generate`"


def test_it_is_a_schema(schema: dict[str, Any]) -> None:
    Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: str(file.relative_to(PROJECT)))
def test_it_accepts_the_configurations_here_and_they_name_it(file: Path, schema: dict[str, Any]) -> None:
    text = file.read_text(encoding="utf-8")
    assert problems(schema, text) == []
    named = text.partition("\n")[0].removeprefix("# yaml-language-server: $schema=")
    assert (file.parent / named).resolve() == PROJECT / "tfx_config/schema.json"


@pytest.mark.parametrize(
    "text",
    [
        "training: {loss: bpr}",
        "training: {loss: {type: gbce, calibration: 0.5}}",
        "evaluation: {min_lift_over_popularity: null, min_lift_over_published: false}",
        "training: {warm_start: published}",
        "training: {warm_start: off}",
        "training: {warm_start: {base: published, cold_every: 7}}",
        "evaluation: {min_lift_over_popularity: {ndcg@10: 1.5}, max_unmeasured_fraction: null}",
        "extends: [one.yaml, two.yaml]\ndata: {interactions: {path: other.csv}}",
        "model: {temperature: auto}",
        "model: {temperature: 0.1}",
    ],
)
def test_it_accepts_other_ways_to_write_a_value(text: str, schema: dict[str, Any]) -> None:
    assert problems(schema, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "trainig: {}",
        "training: {bach_size: 2}",
        "training: {batch_size: 1}",
        "training: {loss: hinge}",
        "training: {loss: {type: gbce, margin: 1}}",
        "training: {negatives: {type: uniform, n: many}}",
        "features: {candidate: {title: {type: words}}}",
        "data: {interactions: {format: csv, dataset: movielens}}",
        "beam: {runner: samza}",
        "evaluation: {min_lift_over_popularity: never}",
    ],
)
def test_it_marks_what_the_program_refuses(text: str, schema: dict[str, Any]) -> None:
    assert problems(schema, text) != []


def test_keys_and_choices_are_explained(schema: dict[str, Any]) -> None:
    nodes = [("", schema), *schema["$defs"].items()]
    unexplained = [
        f"{name}.{key}"
        for name, node in nodes
        for key, value in node["properties"].items()
        if "description" not in value
    ]
    assert unexplained == []


def test_explanations_name_no_modules(schema: dict[str, Any]) -> None:
    assert [text for text in ("models.spec", "dataplane.", "dataplane/") if text in json.dumps(schema)] == []
