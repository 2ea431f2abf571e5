"""Prometheus metrics of the server."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BATCH_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ServerMetrics:
    """Metrics of one server.

    Attributes:
        registry: exposes the metrics.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter("requests", "Predict requests by status", ["model", "code"], registry=registry)
        self._seconds = Histogram(
            "request_seconds", "Time of a predict request", ["model"], buckets=_SECONDS, registry=registry
        )
        self._batches = Histogram("batch_rows", "Rows of each batch", ["model"], buckets=_BATCH_ROWS, registry=registry)
        self._version = Gauge("model_version", "Version that answers", ["model"], registry=registry)
        self._left_aside = Gauge(
            "model_versions_left_aside", "Newer versions that cannot be loaded", ["model"], registry=registry
        )
        self._queued = Gauge("queued_rows", "Rows that wait for the model", ["model"], registry=registry)

    def observe(self, model: str, code: int, seconds: float) -> None:
        """Counts a predict request: its HTTP status, and its time in seconds."""
        self._requests.labels(model, code).inc()
        self._seconds.labels(model).observe(seconds)

    def observe_batch(self, model: str, rows: int) -> None:
        """Counts a batch and its rows."""
        self._batches.labels(model).observe(rows)

    def set_state(self, model: str, *, version: int, queued_rows: int, left_aside: int) -> None:
        """Sets the gauges to the current state."""
        self._left_aside.labels(model).set(left_aside)
        self._version.labels(model).set(version)
        self._queued.labels(model).set(queued_rows)
