"""Finds the loaded model that a request names."""

from collections.abc import Mapping

from dataplane.errors.messages import quoted, shown
from serving.server.loaded_model import LoadedModel
from serving.server.model_host import ModelHost


class NotServedError(Exception):
    """The server has no such model, version or label."""


def host_of(hosts: Mapping[str, ModelHost], name: str) -> ModelHost:
    """The host of a model.

    Raises:
        NotServedError: there is no such model.
    """
    if name not in hosts:
        raise NotServedError(f"no model {quoted(name)}; there is {', '.join(hosts)}")
    return hosts[name]


def served_model(
    hosts: Mapping[str, ModelHost], name: str, *, version: str | None = None, label: str | None = None
) -> LoadedModel:
    """The model that answers a request.

    Args:
        hosts: models by name.
        name: name of a model.
        version: number of a version; None for the newest.
        label: label of a version; None for the newest.

    Raises:
        NotServedError: the model, version or label is not served.
    """
    host = host_of(hosts, name)
    if version is None and label is None:
        return host.current
    if label is not None:
        labelled = host.labelled
        if label not in labelled:
            there = ", ".join(labelled) or "none"
            raise NotServedError(f"no version of '{name}' has the label {quoted(label)}; labels there are: {there}")
        return labelled[label]
    served = host.served
    found = next((model for number, model in served.items() if str(number) == version), None)
    if found is None:
        *others, last = (f"version {number}" for number in sorted(served))
        there = f"{', '.join(others)} and {last} are" if others else f"{last} is"
        raise NotServedError(f"version {shown(str(version))} of '{name}' is not served, {there}")
    return found
