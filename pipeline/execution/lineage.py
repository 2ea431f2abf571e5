"""What an execution was made of, from its record: its inputs, or equal ones where these are damaged or gone."""

from pathlib import Path

from dataplane.errors import RunError
from pipeline.execution.metadata import Execution, Store


def producer(store: Store, execution: Execution, name: str) -> Execution:
    """The execution that made the artifact another one read, or an equal one if its record is gone.

    Raises:
        RunError: there is neither.
    """
    if name not in execution.inputs:
        where = f"{execution.node}/{execution.id}"
        raise RunError(f"the record of {where} tells of no input '{name}'; run again with --from {execution.node}")
    node, made, _ = execution.inputs[name].split("/")
    return store.execution(node, made) or _equal(store, execution, name, execution.input_fingerprints.get(name))


def undamaged(store: Store, execution: Execution) -> Execution:
    """An execution whose files are all as they were written, or an equal one if they are not.

    Raises:
        RunError: there is neither.
    """
    damage = store.damage(execution)
    found = store.find(execution.node, execution.fingerprint) if damage else execution
    if found is None:
        raise RunError(f"{execution.node}/{execution.id} is damaged: {damage}; run the pipeline again")
    return found


def artifact(store: Store, execution: Execution, name: str) -> Path:
    """Directory of the artifact that an execution read, or of one equal to it, as it was written.

    Raises:
        RunError: it is damaged or gone.
    """
    return store.output(undamaged(store, producer(store, execution, name)), output_read(execution, name))


def output_read(execution: Execution, name: str) -> str:
    """Which output of its producer an execution read."""
    return execution.inputs[name].rpartition("/")[2]


def _equal(store: Store, execution: Execution, name: str, fingerprint: str | None) -> Execution:
    node, _, _ = execution.inputs[name].split("/")
    found = store.find(node, fingerprint) if fingerprint is not None else None
    if found is None:
        again = "run the pipeline again" + ("" if fingerprint is not None else f" with --from {node}")
        raise RunError(f"{store.directory / execution.inputs[name]} is needed and damaged or gone; {again}")
    return found
