"""The model card against its schema, and the facts that it is made from."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from components.pusher import ModelCardConfig
from components.pusher.card import make_card, version_name
from components.pusher.card_facts import read_facts
from components.pusher.card_markdown import markdown
from dataplane.artifacts import Artifact, Blessing, Catalogue, Evaluation, Model, ServingModel, TransformedExamples
from dataplane.artifacts.catalogue import CatalogueChanges
from dataplane.artifacts.document import JsonValue
from dataplane.artifacts.model_card import ModelCard
from dataplane.artifacts.transformed_examples import DatasetMetadata
from models.saved_models.configuration import write_configuration
from serving.model.descriptions import FittedTo, InputSpec, ModelDescription, Signature, write_description
from tests.pipeline.reporting.small_run import CHECKS, HOSTILE, INDEX, MEASURED, TRAINING, example

SCHEMA = json.loads(Path(__file__).with_name("model_card.schema.json").read_text())
IDENTITY: dict[str, JsonValue] = {"towers": "content:1", "candidates": 1682, "dimension": 64}
OWNER = {
    "overview": "Films for the start page.",
    "owners": [{"name": "Films", "contact": "films@example.org"}, {"name": "Ops"}],
    "license": "Apache-2.0",
    "references": ["https://example.org/films"],
    "data": [{"name": "Views", "link": "https://example.org/views", "sensitive": ["ages"]}],
    "intended_users": ["The start page"],
    "use_cases": ["Choosing films"],
    "limitations": ["Not for children"],
    "tradeoffs": ["Recall before novelty"],
    "ethical_considerations": [{"name": "Bubbles", "mitigation": "A row of new films"}, {"name": "Age"}],
}
DESCRIPTION = ModelDescription(
    identity=IDENTITY,
    top_k=100,
    remove_seen=True,
    data=FittedTo(until="2026-01-02"),
    features={"query": {"age": {"type": "numeric"}}, "history": {"max_length": 7}},
    signatures={
        "serving_default": Signature(
            inputs={
                "age": InputSpec(dtype="float32", shape=(None,)),
                "history": InputSpec(dtype="string", shape=(None, None)),
            }
        )
    },
)


class Written:
    """The artifacts that a card is made from; `given` has other contents of files, None for none."""

    def __init__(self, path: Path, given: Mapping[str, Any] | None = None) -> None:
        self.path = path
        self.warnings: list[str] = []
        contents = {
            "metrics.json": MEASURED,
            "blessing.json": CHECKS,
            "index.json": INDEX,
            "training.json": TRAINING,
            "metadata.json": example(DatasetMetadata),
        } | dict(given or {})
        for name, content in contents.items():
            if content is not None:
                Artifact(path).write_json(name, content)
        (path / "exact").mkdir()
        write_description(path / "exact", DESCRIPTION)
        (path / "towers").mkdir()
        write_configuration(path / "towers", {"model": {"query_tower": {"layers": [32]}, "score": "dot"}})

    def card(self, owner: Mapping[str, Any] | None = None) -> ModelCard:
        is_refreshed = (self.path / CatalogueChanges.FILE).exists()
        facts = read_facts(
            "films",
            ModelCardConfig.model_validate(owner or {}),
            serving_model=ServingModel(self.path),
            blessing=Blessing(self.path),
            evaluation=Evaluation(self.path),
            model=Model(self.path),
            transformed_examples=TransformedExamples(self.path),
            catalogue=Catalogue(self.path) if is_refreshed else None,
            warn=self.warnings.append,
        )
        return make_card(facts)


def content(card: ModelCard) -> Any:
    """The JSON of a card, which must fit the schema."""
    found = json.loads(card.json_text())
    jsonschema.validate(found, SCHEMA, format_checker=jsonschema.FormatChecker())
    return found


def values(card: Any, kind: str) -> list[Any]:
    return [metric for metric in card["quantitative_analysis"]["performance_metrics"] if metric["type"] == kind]


def test_a_card_has_what_was_recorded(tmp_path: Path) -> None:
    card = content(Written(tmp_path / "made").card())
    details, parameters = card["model_details"], card["model_parameters"]
    assert details["name"] == "films"
    assert details["overview"] == (
        "Two-tower retrieval model over 1,682 candidates, fitted to 100 events until 2026-01-02."
    )
    assert details["documentation"].splitlines()[:2] == [
        "twice popularity: passed",
        "intervals: bootstrap, 95% of 1,000 resamples of the queries",
    ]
    assert details["version"]["name"] == version_name(IDENTITY)
    assert "history of 7 events, age (numeric)" in parameters["model_architecture"]
    assert "layers of the query tower: 32 gelu, linear projection" in parameters["model_architecture"]
    assert "loss: full_softmax, temperature 0.1, next labels" in parameters["model_architecture"]
    assert parameters["input_format"] == "serving_default: age float32 [batch], history string [batch, any]"
    assert parameters["data"][0]["name"] == "train"
    assert "9 events of 3 queries, 4 candidates" in parameters["data"][0]["description"]
    (ndcg,) = [metric for metric in values(card, "ndcg@10") if "slice" not in metric]
    assert ndcg == {
        "type": "ndcg@10",
        "value": 0.3,
        "confidence_interval": {"lower_bound": 0.25, "upper_bound": 0.35},
    }
    assert {"type": "ndcg@10", "value": 0.31, "slice": "feature country: nl"} in values(card, "ndcg@10")
    assert values(card, "ndcg@10 of popularity")[0]["value"] == 0.15
    lift = {"lower_bound": 0.1, "upper_bound": 0.2}
    assert values(card, "ndcg@10 minus popularity") == [
        {"type": "ndcg@10 minus popularity", "value": 0.15, "confidence_interval": lift}
    ]
    assert values(card, "ndcg@10 minus version 3")[0]["confidence_interval"] == {"lower_bound": 0.1, "upper_bound": 0.2}
    assert not values(card, "ndcg@10 of item_knn"), "which was skipped"
    limits = [limit["description"] for limit in card["considerations"]["limitations"]]
    assert {"1 of 5 candidates have no training event", "few", "a note"} <= set(limits)
    assert "owners" not in details


def test_the_owner_s_words_are_in_the_card(tmp_path: Path) -> None:
    card = content(Written(tmp_path / "made").card(OWNER))
    details, about = card["model_details"], card["considerations"]
    assert details["overview"] == "Films for the start page."
    assert details["owners"] == [{"name": "Films", "contact": "films@example.org"}, {"name": "Ops"}]
    assert details["licenses"] == [{"identifier": "Apache-2.0"}]
    assert details["references"] == [{"reference": "https://example.org/films"}]
    assert card["model_parameters"]["data"][0] == {
        "name": "Views",
        "link": "https://example.org/views",
        "sensitive": {"sensitive_data": ["ages"]},
    }
    assert about["users"] == [{"description": "The start page"}]
    assert about["limitations"][0] == {"description": "Not for children"}
    assert about["ethical_considerations"][0] == {"name": "Bubbles", "mitigation_strategy": "A row of new films"}
    own = content(Written(tmp_path / "own").card({"license": "For our own use"}))
    assert own["model_details"]["licenses"] == [{"custom_text": "For our own use"}]


def test_time_and_speed_do_not_change_a_card(tmp_path: Path) -> None:
    slower = {
        "training.json": TRAINING | {"seconds": 99.0, "milliseconds_per_step": 9.0},
        "index.json": INDEX | {"build_seconds": 9.0, "latency_ms": {"scann": 9.0, "exact": 9.0}},
    }
    one, other = Written(tmp_path / "one").card(OWNER), Written(tmp_path / "other", slower).card(OWNER)
    assert (one.json_text(), markdown(one)) == (other.json_text(), markdown(other))
    better = Written(tmp_path / "better", {"training.json": TRAINING | {"steps": 21}}).card(OWNER)
    assert (one.json_text() == better.json_text(), markdown(one) == markdown(better)) == (False, False)


def test_the_card_of_a_refreshed_index_and_of_a_final_fit_says_what_was_measured(tmp_path: Path) -> None:
    changes = {"candidates": 5, "added": 1, "removed": 2, "refresh_of": {"towers": "old"}}
    final = example(DatasetMetadata) | {"final": True}
    card = content(Written(tmp_path / "made", {"catalogue.json": changes, "metadata.json": final}).card())
    diff = card["model_details"]["version"]["diff"]
    assert diff == (
        f"the index of model {version_name({'towers': 'old'})} over another catalogue: 1 candidates added, 2 removed"
    )
    limits = [limit["description"] for limit in card["considerations"]["limitations"]]
    assert (
        "the metrics are those of the same model without the held-out events; this one is fitted to all events"
        in limits
    )
    assert "the metrics are those of the training's catalogue; this one has another" in limits


@pytest.mark.parametrize("file", ["metrics.json", "blessing.json", "index.json", "training.json", "metadata.json"])
def test_a_record_of_another_release_is_left_out_with_a_warning(tmp_path: Path, file: str) -> None:
    written = Written(tmp_path / "made", {file: {"another": "release"}})
    if file != "metadata.json":  # of which every release has what is needed
        content(written.card())
        assert file in "".join(written.warnings)
    (tmp_path / "made" / file).unlink()
    (tmp_path / "made" / "towers" / "assets.extra" / "configuration.json").write_text("{}")
    written.warnings.clear()
    content(written.card())
    assert file in "".join(written.warnings)


def test_markdown_shows_the_card_and_nothing_of_it_is_active(tmp_path: Path) -> None:
    text = markdown(Written(tmp_path / "made").card(OWNER | {"limitations": ["*no* [link](x)\n# No heading"]}))
    lines = text.splitlines()
    assert lines[0] == "# Model card: films"
    assert "| ndcg@10 | 0.3000 | 0.2500 to 0.3500 |" in lines
    assert "| feature country: nl | 1 | 0.1000 | 0.5000 | 0.3100 | 0.2000 |" in lines
    assert r"- \*no\* \[link\](x) \# No heading" in lines
    assert "- Owner: Films, films@example.org" in lines
    assert "- ties: last" in lines
    assert HOSTILE not in text
    assert r"\<script\>" in text
    assert not [line for line in lines if "recall@1 " in line and "slice" not in line.lower()], (
        "only what has an interval"
    )


@pytest.mark.parametrize(
    ("owner", "message"),
    [
        ({"references": ["ftp://example.org"]}, "starts with http"),
        ({"references": ["https://me:secret@example.org/x"]}, "must not have credentials"),
        ({"data": [{"name": "x", "link": "https://example.org/x?token=secret"}]}, "must not have credentials"),
        ({"owners": [{"contact": "x"}]}, "name"),
        ({"limitations": [""]}, "at least 1 character"),
        ({"use_cases": ["x"] * 101}, "at most 100 items"),
        ({"overview": "x" * 5001}, "at most 5000 characters"),
        ({"owner": "x"}, "did you mean 'owners'"),
    ],
)
def test_words_that_do_not_fit_are_refused(owner: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelCardConfig.model_validate(owner)
