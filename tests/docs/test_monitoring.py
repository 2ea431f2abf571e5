"""Alert rules and dashboard name metrics that exist, and Prometheus' own tool accepts them."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from pipeline.monitoring.exposition import HELP, PREFIX
from serving.server.server_metrics import ServerMetrics
from tests.paths import PROJECT

MONITORING = PROJECT / "tfx_config" / "monitoring"
WORDS = {"sum", "max", "by", "rate", "time", "histogram_quantile", "label_values"}
WORDS |= {"model", "label", "le", "code", "pipeline"}  # labels


def metrics() -> set[str]:
    """Names of the metrics of runs and servers, with those of a histogram's and a counter's parts."""
    server = ServerMetrics()
    server.observe("m", 200, 0.1, label="stable")
    server.set_state("m", version=1, queued_rows=0, left_aside=0, labels={"stable": 1})
    served = re.findall(r"^(\w+)\{", generate_latest(server.registry).decode(), re.MULTILINE)
    return {f"{PREFIX}{name}" for name in HELP} | set(served)


def rules() -> Iterator[str]:
    for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


def panels() -> Iterator[str]:
    board: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text())
    yield from (target["expr"] for panel in board["panels"] for target in panel["targets"])
    yield from (it["query"]["query"] for it in board["templating"]["list"] if it["type"] == "query")


@pytest.mark.parametrize("expression", [*rules(), *panels()])
def test_expressions_name_metrics_that_exist(expression: str) -> None:
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]", "", expression)
    named = set(re.findall(r"\b[a-z_]\w*", bare)) - WORDS
    assert named
    assert named - metrics() == set()


def test_promtool_accepts_the_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool, which is in Debian's package prometheus")
    subprocess.run([promtool, "check", "rules", MONITORING / "alerts.yaml"], check=True)
