"""Which tracking servers a configuration may name."""

import importlib.util

import pytest

from dataplane.errors import ConfigError
from pipeline.config import tracking_config
from pipeline.config.config import load_config
from pipeline.config.tracking_config import TrackingConfig
from tests.paths import PROJECT

QUICKSTART = PROJECT / "tfx_config" / "quickstart.yaml"


@pytest.mark.parametrize("uri", ["http://127.0.0.1:5000", "https://mlflow.example.org/team", "http://[::1]:5000/"])
def test_servers_are_accepted(uri: str) -> None:
    assert TrackingConfig(mlflow=uri).mlflow == uri.rstrip("/")


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("http://me:HUSH@mlflow.example.org", "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        ("https://mlflow.example.org/?token=HUSH", "must not hold credentials or options"),
        ("https://mlflow.example.org#HUSH", "must not hold credentials or options"),
        ("sqlite:///runs.db", "begins with http:// or https://"),
        ("mlflow.example.org", "begins with http:// or https://"),
        ("http://", "begins with http:// or https://"),
    ],
)
def test_other_addresses_are_refused_without_their_credentials(uri: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        load_config(QUICKSTART, [f"tracking.mlflow={uri}"])
    assert "tracking.mlflow" in str(refused.value)
    assert "HUSH" not in str(refused.value)


def test_a_missing_package_is_named_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(tracking_config, "find_spec", lambda name: None if name == "mlflow" else found(name))
    with pytest.raises(ConfigError, match=r"tracking.mlflow: needs mlflow: pip install 'tfrs-pipeline\[mlflow\]'"):
        load_config(QUICKSTART, ["tracking.mlflow=http://127.0.0.1:5000"])
    assert load_config(QUICKSTART).tracking.mlflow is None
