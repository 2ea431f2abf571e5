"""The `metrics` section of a configuration: where the figures of runs go."""

from pathlib import Path
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, StringConstraints

from dataplane.errors.credentials import has_options, has_user
from models.spec.strict import Strict


def _prom_file(file: Path) -> Path:
    if file.suffix != ".prom":
        raise ValueError("the name must end in .prom: node_exporter reads no other files")
    return file


def _gateway(uri: str) -> str:
    parts = urlsplit(uri)
    rest = uri.partition("://")[2]
    if has_user(rest) or has_options(rest):
        raise ValueError("the address of a Pushgateway must not hold credentials or options (user@, ?name=value, #)")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the address of a Pushgateway begins with http:// or https://")
    return uri.rstrip("/")


TextFile: TypeAlias = Annotated[Path, AfterValidator(_prom_file)]
GatewayUri: TypeAlias = Annotated[str, StringConstraints(max_length=500), AfterValidator(_gateway)]


class MetricsConfig(Strict):
    """Where the figures of every run go for Prometheus: section `metrics`."""

    textfile: TextFile | None = None
    """File for the textfile collector of node_exporter, such as /var/lib/node_exporter/shop.prom; written atomically at
    the end of every run and refresh. One file for each pipeline."""
    pushgateway: GatewayUri | None = None
    """Address of a Prometheus Pushgateway, such as http://127.0.0.1:9091, which gets the same figures."""
