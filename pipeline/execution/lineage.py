"""Finds the inputs of an execution from its record, or equal artifacts if the inputs are damaged or missing."""

from pathlib import Path

from dataplane.errors import RunError
from pipeline.execution.metadata import Execution, Store


def producer(store: Store, execution: Execution, name: str) -> Execution:
    """The execution that produced an input of `execution`, or an equal one if its record is missing.

    Raises:
        RunError: neither exists.
    """
    if name not in execution.inputs:
        where = f"{execution.node}/{execution.id}"
        raise RunError(f"the record of {where} has no input '{name}'; run again with --from {execution.node}")
    node, made, _ = execution.inputs[name].split("/")
    return store.execution(node, made) or _equal(store, execution, name, execution.input_fingerprints.get(name))


def undamaged(store: Store, execution: Execution) -> Execution:
    """The execution if its files are undamaged, otherwise an equal undamaged one.

    Raises:
        RunError: neither exists.
    """
    damage = store.damage(execution)
    found = store.find(execution.node, execution.fingerprint) if damage else execution
    if found is None:
        raise RunError(f"{execution.node}/{execution.id} is damaged: {damage}; run the pipeline again")
    return found


def artifact(store: Store, execution: Execution, name: str) -> Path:
    """Directory of an undamaged artifact that an execution read, or of an equal one.

    Raises:
        RunError: all are damaged or missing.
    """
    return store.output(undamaged(store, producer(store, execution, name)), output_read(execution, name))


def output_read(execution: Execution, name: str) -> str:
    """Name of the producer's output that an execution read as input `name`."""
    return execution.inputs[name].rpartition("/")[2]


def _equal(store: Store, execution: Execution, name: str, fingerprint: str | None) -> Execution:
    node, _, _ = execution.inputs[name].split("/")
    found = store.find(node, fingerprint) if fingerprint is not None else None
    if found is None:
        again = "run the pipeline again" + ("" if fingerprint is not None else f" with --from {node}")
        raise RunError(f"{store.directory / execution.inputs[name]} is needed but damaged or missing; {again}")
    return found
