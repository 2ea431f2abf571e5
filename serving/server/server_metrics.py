"""Prometheus metrics of the server."""

import os
from collections.abc import Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

PREFIX = "tfrs_serving"
"""Begins the name of every metric."""
DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus_client finds the files of the metrics that several processes share."""

_BATCH_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ServerMetrics:
    """Metrics of one server; of several processes, counts are added up, and the lowest version that answers is told.

    Attributes:
        registry: exposes the metrics.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        counter = partial(Counter, namespace=PREFIX, registry=registry)
        gauge = partial(Gauge, namespace=PREFIX, registry=registry)
        seconds = partial(Histogram, namespace=PREFIX, registry=registry, buckets=_SECONDS)
        by_label = ["model", "label"]
        self._requests = counter("requests", "Predict requests by status", ["model", "code"])
        self._seconds = seconds("request_seconds", "Time of a predict request", ["model"])
        self._label_requests = counter(
            "label_requests", "Predict requests for a label by status", ["model", "label", "code"]
        )
        self._label_seconds = seconds("label_request_seconds", "Time of a predict request for a label", by_label)
        self._batches = Histogram(
            "batch_rows", "Rows of each batch", ["model"], namespace=PREFIX, registry=registry, buckets=_BATCH_ROWS
        )
        self._version = gauge("model_version", "Version that answers", ["model"], multiprocess_mode="livemin")
        self._label_version = gauge("label_version", "Version of a label", by_label, multiprocess_mode="livemin")
        self._labels: dict[str, set[str]] = {}
        self._left_aside = gauge(
            "model_versions_left_aside",
            "Newer versions that cannot be loaded",
            ["model"],
            multiprocess_mode="livemax",
        )
        self._queued = gauge("queued_rows", "Rows that wait for the model", ["model"], multiprocess_mode="livesum")

    def exposed(self) -> bytes:
        """The metrics of this process, or, where several share a directory, of all."""
        if DIRECTORY not in os.environ:
            return generate_latest(self.registry)
        everything = CollectorRegistry()
        MultiProcessCollector(everything)  # type: ignore[no-untyped-call]
        return generate_latest(everything)

    def observe(self, model: str, code: int | str, seconds: float, *, label: str | None = None) -> None:
        """Counts a predict request.

        Args:
            model: name of the model.
            code: HTTP status, or the name of the gRPC status.
            seconds: time of the request.
            label: a label that the model has, if the request named its version by the label.
        """
        self._requests.labels(model, code).inc()
        self._seconds.labels(model).observe(seconds)
        if label is not None:
            self._label_requests.labels(model, label, code).inc()
            self._label_seconds.labels(model, label).observe(seconds)

    def observe_batch(self, model: str, rows: int) -> None:
        """Counts a batch and its rows."""
        self._batches.labels(model).observe(rows)

    def set_state(
        self, model: str, *, version: int, queued_rows: int, left_aside: int, labels: Mapping[str, int]
    ) -> None:
        """Sets the gauges to the current state."""
        for label, number in {**dict.fromkeys(self._labels.get(model, ()), 0), **labels}.items():
            self._label_version.labels(model, label).set(number)
        self._labels.setdefault(model, set()).update(labels)
        self._left_aside.labels(model).set(left_aside)
        self._version.labels(model).set(version)
        self._queued.labels(model).set(queued_rows)
