"""Where a configuration says `null` or `auto`, its printed form says what that stands for."""

import re
from pathlib import Path

import pytest

from pipeline.config.config import PipelineConfig
from pipeline.config.printing import print_config
from pipeline.config.resolved import resolved

CONFIG = """\
schema_version: 1
name: shop
data:
  interactions:
    format: parquet
    path: events.parquet
    columns: {query_id: user, candidate_id: item, timestamp: at}
  candidates:
    {format: csv, path: items.csv, id: item, pivot: {property: p, value: v, timestamp: at, keep: [price, brand]}}
features:
  query: {joined: {type: timestamp}}
  candidate: {price: {type: numeric}, brand: {type: categorical, column: maker}}
"""
MEANS_NOTHING = {
    "queries", "order", "weight", "split", "min_weight", "escape", "before", "pivot", "max_vocabulary", "augmentation",
    "event_weights", "overview", "license", "embeddings", "mlflow", "tuning", "machine_type", "setup_file", "network",
    "service_account_email", "subnetwork", "worker_pool", "spans", "webhook", "cold_every", "max_churn", "max_hours",
    "textfile", "pushgateway",
}  # fmt: skip
"""Settings whose `null` turns something off."""
BEAMS = {
    "in_process": "{runner: in_process}",
    "flink": "{runner: flink, environment: process}",
    "dataflow": "{runner: dataflow, project: p, region: r, temp_location: 'gs://b/t', sdk_container_image: i}",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "c.yaml").write_text(CONFIG)
    return tmp_path / "c.yaml"


def meaning(file: Path, line: str, *settings: str) -> str:
    """What the first line that begins so says after its origin."""
    found = next(it for it in print_config(file, settings).splitlines() if re.match(f"{line} ", it))
    return re.sub(r"^.*?  # (default|--set|\S+:\d+)(: )?", "", found)


@pytest.mark.parametrize("beam", BEAMS.values(), ids=BEAMS)
@pytest.mark.parametrize("split", ["null", "{method: time}"])
def test_every_null_and_auto_says_what_it_stands_for(split: str, beam: str, file: Path) -> None:
    settings = [f"split={split}", f"beam={beam}"]
    for line in print_config(file, settings).splitlines():
        found = re.match(r" *(\w+): (null|auto) .*# (?:default|--set)(: .+)?$", line)
        if found and not found[3]:
            assert found[1] in MEANS_NOTHING - ({"split"} if not line.startswith(" ") else set()), line


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ([], "leave_last_n, n 1, since there is a timestamp"),
        (["data.interactions.columns.timestamp=null", "data.interactions.columns.order=n"],
         "leave_last_n, n 1, since there is an order column"),
        (["data.interactions.columns.split=s"], "files, validation_fraction 0.1, since the source gives the splits"),
    ],
)  # fmt: skip
def test_the_split_and_its_reason(settings: list[str], told: str, file: Path) -> None:
    assert meaning(file, "split: null", *settings) == told


def test_without_an_order_the_split_is_by_ratio(file: Path) -> None:
    told = meaning(file, "split: null", "data.interactions.columns.timestamp=null")
    assert told.startswith("ratio, by row, ")
    assert told.endswith("since there is no timestamp and no order column")


@pytest.mark.parametrize(
    ("line", "settings", "told"),
    [
        ("temperature: auto", [], "0.1 or 0.05 or 0.2, decided by the data in Trainer"),
        ("temperature: auto", ["model.score=dot"], "1.0"),
        ("temperature: auto", ["training.method=closed_form"],
         "unused, since method is closed_form"),
        ("method: auto", [], "gradient"),
        ("embedding_dim: auto", [], "64"),
        ("labels: auto", [], "next"),
        ("labels: auto", ["split={method: time}"], "next or later, decided by the data in Trainer"),
        ("leaves: auto", [], "decided by the data in ScannIndexer"),
        ("leaves: auto", ["index.search=brute_force"], "unused, since search is brute_force"),
        ("min_lift_over_popularity: auto", ["evaluation.main_at=20"], "ndcg@20 above popularity's"),
        ("min_lift_over_popularity: auto", ["evaluation.baselines=[]"], "off, since baselines lack popularity"),
        ("staging_location: null", [f"beam={BEAMS['dataflow']}"], "gs://b/t"),
        ("column: null", [], "joined"),
    ],
)  # fmt: skip
def test_what_configuration_alone_decides(line: str, settings: list[str], told: str, file: Path) -> None:
    assert meaning(file, f" +{line}", *settings) == told


def test_with_ids_alone_the_data_decide_the_recipe(file: Path) -> None:
    file.write_text(CONFIG.partition("features:")[0])
    assert meaning(file, "  method: auto") == "towers or bag or closed_form or blend, decided by the data in Trainer"
    told = meaning(file, "  embedding_dim: auto")
    assert told == "64 or 128 for a bag of ids or 64 to 768 for a closed form, decided by the data in Trainer"


def test_values_that_are_given_have_no_meaning_beside_them() -> None:
    config = PipelineConfig.model_validate(
        {
            "schema_version": 1,
            "name": "x",
            "data": {"interactions": {"format": "synthetic"}},
            "model": {"temperature": 0.1},
            "split": {"method": "ratio"},
        }
    )
    assert ("model", "temperature") not in resolved(config)
    assert ("split",) not in resolved(config)


def test_a_warm_training_has_the_settings_of_training_where_it_names_none(file: Path) -> None:
    line, on = " *learning_rate: null", "training.warm_start={base: published, max_epochs: 2}"
    assert meaning(file, line) == "unused without a base"
    assert meaning(file, line, on, "training.learning_rate=0.01") == "that of training, 0.01"
