import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.infra_validator import InfraValidationConfig, InfraValidator
from dataplane.artifacts import ServingModel
from dataplane.errors import ConfigError, RunError
from serving.model import ask as asking
from serving.model.ask import ask
from tests.components.infra_validator.validation import refused, validate
from tests.components.tiny_world import World


def test_models_that_answer_correctly_are_blessed(world: World, with_filters: ServingModel) -> None:
    verdict = validate(world, with_filters, sample_queries=20)
    assert verdict["blessed"] is True
    assert verdict["checks"]["expected_scores"] == verdict["checks"]["expected_ids"] == 20
    assert verdict["checks"]["well_formed"] == 2 * (22 + 5)
    assert set(verdict["checks"]) == {
        "inputs", "signatures", "well_formed", "catalogue", "batch_of_one", "expected_scores", "expected_ids",
        "overlap",
    }  # fmt: skip
    for model in ("exact", "scann"):
        assert verdict["models"][model]["load_seconds"] > 0
        assert verdict["models"][model]["memory_bytes"] > 2**20
        assert 0 < verdict["models"][model]["latency_ms"] < 1000


def test_a_model_that_departs_from_the_stored_data_is_refused(world: World, serving_model: ServingModel) -> None:
    expected = serving_model.read_json("expected_answers.json")
    expected[1]["scores"][0] += 0.5
    serving_model.write_json("expected_answers.json", expected)
    refused(world, serving_model, r"exact model failed the check 'expected_scores': score .* at rank 1 where")


def test_an_exact_model_that_needs_scann_is_refused(world: World, serving_model: ServingModel) -> None:
    shutil.rmtree(serving_model.path / "exact" / "variables")
    for part in ("saved_model.pb", "variables"):
        source, target = serving_model.path / "scann" / part, serving_model.path / "exact" / part
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    refused(world, serving_model, r"(?s)exact model did not answer in a fresh process: .*Scann")


def test_a_model_that_needs_keras_is_not_served(exported: ServingModel, tmp_path: Path) -> None:
    task = {"model": str(exported.path / "exact"), "imports": ["tf_keras"], "blocked": []}
    (tmp_path / "task.json").write_text(json.dumps(task))
    command = [sys.executable, "-I", str(asking.SCRIPT), str(tmp_path / "task.json"), str(tmp_path / "result.json")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "is blocked in this process" in ended.stderr


def test_a_model_that_was_cut_short_is_refused_with_the_end_of_its_log(
    world: World, serving_model: ServingModel
) -> None:
    graph = serving_model.path / "exact" / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:1000])
    refused(world, serving_model, r"(?s)exact model did not answer in a fresh process: .*exit code 1.*\|")


@pytest.mark.parametrize("name", ["exact", "scann"])
def test_a_bit_that_flipped_in_the_variables_is_refused(world: World, serving_model: ServingModel, name: str) -> None:
    (file,) = (serving_model.path / name / "variables").glob("*.data-*")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    refused(world, serving_model, rf"(?s){name} model did not answer in a fresh process: .*[Cc]hecksum")


@pytest.mark.parametrize("missing", ["variables/variables.index", "assets/candidate.candidate_id.vocabulary"])
def test_a_missing_file_is_refused(world: World, serving_model: ServingModel, missing: str) -> None:
    (serving_model.path / "scann" / missing).unlink()
    refused(world, serving_model, r"scann model did not answer in a fresh process")


def test_the_vocabulary_of_another_model_is_refused(world: World, serving_model: ServingModel) -> None:
    file = serving_model.path / "exact" / "assets" / "candidate.candidate_id.vocabulary"
    swapped = re.sub(rb"c(\d{5})", lambda found: b"c%05d" % (199 - int(found[1])), file.read_bytes())
    assert len(swapped) == file.stat().st_size
    file.write_bytes(swapped)
    # What was seen is left out by its token, so that the first thing to go wrong is that it comes back.
    refused(world, serving_model, r"exact model failed the check 'well_formed': 'c\d{5}' is in the history")


def test_a_model_that_hangs_is_refused(world: World, serving_model: ServingModel) -> None:
    refused(world, serving_model, "no answer after 0.2 s", timeout_seconds=0.2)


def test_a_description_that_is_not_the_models_is_refused(world: World, serving_model: ServingModel) -> None:
    file = serving_model.path / "exact" / "assets.extra" / "model.json"
    description = json.loads(file.read_text())
    description["signatures"]["score"]["inputs"]["forgotten"] = {"dtype": "string", "shape": [None]}
    file.write_text(json.dumps(description))
    refused(
        world, serving_model, r"failed the check 'inputs': its signatures take .*, but its description says .*forgotten"
    )


def test_signatures_that_answer_wrongly_are_refused(world: World, serving_model: ServingModel) -> None:
    file = serving_model.path / "expected_answers.json"
    expected = json.loads(file.read_text())
    expected[0]["candidate_ids"][:2] = reversed(expected[0]["candidate_ids"][:2])
    file.write_text(json.dumps(expected))
    refused(world, serving_model, r"exact model failed the check 'signatures': score: score .* at rank 1 where")


def test_a_model_is_asked_with_what_is_known(exported: ServingModel) -> None:
    answer = ask(exported.path / "scann", {"history": ["c00001", "c00002"], "age": None, "country": "nl"})
    assert len(answer.candidate_ids) == len(answer.scores) == 8
    assert not {"c00001", "c00002"} & set(answer.candidate_ids)


def test_padding_is_left_out_of_an_answer(exported: ServingModel) -> None:
    answer = ask(exported.path / "exact", {"history": [f"c{number:05d}" for number in range(197)]})
    assert set(answer.candidate_ids) == {"c00197", "c00198", "c00199"}
    assert len(answer.scores) == 3


def test_questions_that_make_no_sense_are_refused_before_a_process_starts(
    exported: ServingModel, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="'colour' is not an input of the model; its inputs are: age"):
        ask(exported.path / "exact", {"colour": "red"})
    with pytest.raises(RunError, match="is not a serving model of this pipeline"):
        ask(tmp_path, {})


def test_the_script_that_asks_is_part_of_the_cache_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    validator = InfraValidator(InfraValidationConfig())
    before = validator.prepare().external
    changed = tmp_path / "fresh_process.py"
    changed.write_bytes(asking.SCRIPT.read_bytes() + b"# changed")
    monkeypatch.setattr(asking, "SCRIPT", changed)
    assert validator.prepare().external != before
