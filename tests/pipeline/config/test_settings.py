"""Which settings of a configuration the user gave."""

from pathlib import Path

from pipeline.config.config import load_config
from pipeline.config.settings import Setting, flattened, settings_given, with_defaults
from tests.paths import PROJECT

TEXT = """schema_version: 1
name: tiny
data:
  interactions: {format: csv, path: "s3://KEY:SECRET@bucket/events.csv", columns: {query_id: u, candidate_id: i}}
training: {max_epochs: 3}
"""


def test_what_was_set_is_told_from_defaults() -> None:
    config = load_config(PROJECT / "tfx_config" / "quickstart.yaml", ["training.max_epochs=3"])
    found = {it.key: it for it in with_defaults(settings_given(config))}
    assert found["training.max_epochs"] == Setting("training.max_epochs", 3, default=False)
    assert found["model.temperature"] == Setting("model.temperature", 0.1, default=False)
    assert found["training.batch_size"].default
    assert found["features.query.country.type"] == Setting("features.query.country.type", "categorical", default=False)
    assert found["features.query.country.min_count"].default
    assert not found["evaluation.slices"].default
    assert "evaluation.thresholds" in found


def test_settings_have_no_credentials(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(TEXT.replace("s3://KEY:SECRET@bucket/events.csv", "events.csv"))
    (tmp_path / "events.csv").write_text("u,i\na,b\n")
    config = load_config(file)
    source = config.data.interactions.model_copy(update={"path": "s3://KEY:SECRET@bucket/events.csv"})
    data = config.data.model_copy(update={"interactions": source})
    given = settings_given(config.model_copy(update={"data": data}))
    assert "SECRET" not in str(given)
    assert "bucket" in str(given)


def test_settings_that_no_longer_make_a_configuration_are_listed_alone() -> None:
    assert with_defaults({"gone": {"key": [1, 2]}}) == [Setting("gone.key", [1, 2], default=False)]


def test_lists_and_empty_mappings_are_values() -> None:
    assert dict(flattened({"a": {"b": [1], "c": {}}, "d": None})) == {"a.b": [1], "a.c": {}, "d": None}
