"""What the hosts of a server tell of their versions."""

from collections.abc import Mapping

from serving.server.model_host import ModelHost
from serving.server.server_metrics import ServerMetrics


def labels_of(host: ModelHost) -> dict[str, int]:
    """The version of each label."""
    return {label: model.version for label, model in host.labelled.items()}


def left_aside(host: ModelHost) -> list[int]:
    """Versions that cannot be loaded."""
    return [state.version for state in host.states if state.state == "END"]


def tell_states(hosts: Mapping[str, ModelHost], metrics: ServerMetrics) -> None:
    """Sets the metrics of each model to the current state."""
    for name, host in hosts.items():
        metrics.set_state(
            name,
            version=host.current.version,
            queued_rows=sum(model.batcher.queued_rows for model in host.served.values()),
            left_aside=len(left_aside(host)),
            labels=labels_of(host),
        )
