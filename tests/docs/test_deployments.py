"""The examples for Docker Compose and Kubernetes start the server with options that there are, over one volume."""

import re
from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from pipeline.cli import build_parser
from tests.paths import PROJECT

ENTRYPOINT = ("serve", "--models", "/models", "--host", "0.0.0.0")
"""What the image's stage `serving` starts, see the Dockerfile."""


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((PROJECT / "tfx_config" / name).read_text(encoding="utf-8")))


def served(arguments: Sequence[str]) -> Any:
    return build_parser().parse_args([*ENTRYPOINT, *arguments])


def test_the_image_starts_the_server_like_this() -> None:
    command = ", ".join(f'"{word}"' for word in ("python", "-m", "pipeline", *ENTRYPOINT))
    assert f"ENTRYPOINT [{command}]" in (PROJECT / "Dockerfile").read_text(encoding="utf-8")


def test_compose_serves_a_pipeline_from_the_published_models() -> None:
    (document,) = documents("serving/compose.yaml")
    service = document["services"]["recommender"]
    assert service["build"]["target"] == "serving"
    options = served(service["command"])
    assert (options.pipeline, options.port) == ("quickstart", 8501)
    assert service["volumes"] == ["./runs/serving:/models:ro"]
    assert [port for port in service["ports"] if not re.fullmatch(r"127\.0\.0\.1:\d+:8501", port)] == []


def test_compose_gives_tensorflow_serving_the_paths_that_models_config_has() -> None:
    (document,) = documents("serving/compose.yaml")
    service = document["services"]["tensorflow-serving"]
    ((source, target, mode),) = (volume.split(":") for volume in service["volumes"])
    assert (source, target, mode) == ("${PWD}/runs/serving", "${PWD}/runs/serving", "ro")
    assert f"--model_config_file={target}/models.config" in service["command"]


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_kubernetes_asks_the_server_how_it_is(probe: str) -> None:
    deployment, _ = documents("serving/kubernetes.yaml")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container[probe]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert container["ports"] == [{"name": "http", "containerPort": served(container["args"]).port}]


def test_kubernetes_reads_what_the_nightly_run_publishes() -> None:
    deployment, service = documents("serving/kubernetes.yaml")
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    (mounted,) = container["volumeMounts"]
    assert (mounted["mountPath"], mounted["subPath"], mounted["readOnly"]) == ("/models", "serving", True)
    (schedule,) = documents("schedules/kubernetes.yaml")
    volumes = schedule["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"]
    assert pod["spec"]["volumes"][0] in volumes
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
