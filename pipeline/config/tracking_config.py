"""The `tracking` section of a configuration: where runs are logged besides their own records."""

from importlib.util import find_spec
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, StringConstraints

from dataplane.errors.credentials import has_options, has_user
from models.spec.strict import Strict


def _server(uri: str) -> str:
    parts = urlsplit(uri)
    rest = uri.partition("://")[2]
    if has_user(rest) or has_options(rest):
        raise ValueError(
            "the address of a tracking server must not hold credentials or options (user@, ?name=value, #); set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, in the environment"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the address of a tracking server begins with http:// or https://")
    return uri.rstrip("/")


ServerUri: TypeAlias = Annotated[str, StringConstraints(max_length=500), AfterValidator(_server)]


class TrackingConfig(Strict):
    """Servers that list and compare runs: section `tracking`."""

    mlflow: ServerUri | None = None
    """Address of an MLflow tracking server, such as http://127.0.0.1:5000. Every run and refresh, refused or not, logs
    its settings, learning curve, metrics, report and published version there. Needs the extra `mlflow`. Credentials
    come from MLflow's environment variables."""


def missing_package(tracking: TrackingConfig) -> str:
    """What is to be installed for a configuration; "" if nothing is missing."""
    if tracking.mlflow is None or find_spec("mlflow") is not None:
        return ""
    return "needs mlflow: pip install 'tfrs-pipeline[mlflow]'"
