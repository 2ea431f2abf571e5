"""Finds the pipeline, run or artifact that a user names."""

from pathlib import Path

from dataplane.errors import ConfigError
from dataplane.errors.messages import listed
from pipeline.execution.metadata import Execution, Run, Store, no_such_pipeline, pipelines


def chosen_store(root: Path, name: str | None) -> Store:
    """The records of a pipeline.

    Args:
        root: directory of the records.
        name: name of the pipeline; None if the root has only one.

    Raises:
        ConfigError: there is no such pipeline, or there are several.
    """
    names = pipelines(root)
    if name is None and len(names) != 1:
        raise ConfigError(f"which pipeline? In {root} there is {', '.join(names) or 'none'}")
    name = name or names[0]
    if name not in names:
        raise ConfigError(no_such_pipeline(root, name))
    return Store(root, name)


def chosen_run(store: Store, wanted: str | None) -> Run:
    """A run by its id, or the newest.

    Raises:
        ConfigError: there is no such run.
    """
    runs = {run.id: run for run in store.runs()}
    if not runs:
        raise ConfigError(f"pipeline '{store.directory.name}' has no run that can be read")
    if wanted is None:
        return runs[max(runs)]
    if wanted not in runs:
        raise ConfigError(f"no run '{wanted}'; there is {listed(sorted(runs, reverse=True))}")
    return runs[wanted]


def store_of_run(root: Path, wanted: str) -> tuple[Store, Run]:
    """A run by its id, and the records of its pipeline.

    Raises:
        ConfigError: there is no such run.
    """
    stores = [Store(root, name) for name in pipelines(root)]
    known = {run.id: (store, run) for store in stores for run in store.runs()}
    if wanted not in known:
        raise ConfigError(f"no run '{wanted}' in {root}; there is {listed(sorted(known, reverse=True)) or 'none'}")
    return known[wanted]


def chosen_artifact(root: Path, address: str) -> tuple[Store, Execution, list[str]]:
    """The execution that `PIPELINE/STEP[/EXECUTION][/OUTPUT]` names, the newest without EXECUTION, and its outputs.

    Raises:
        ConfigError: the address names nothing.
    """
    name, _, rest = address.partition("/")
    node, _, rest = rest.partition("/")
    if name not in pipelines(root):
        raise ConfigError(f"{address}: {no_such_pipeline(root, name)}")
    store = Store(root, name)
    found = {execution.id: execution for execution in store.executions(node)} if node else {}
    if not found:
        finished = [known for known in store.nodes() if known != node and store.executions(known)]
        missing = f"no finished step '{node}'" if node else "name a step, as in PIPELINE/STEP"
        raise ConfigError(f"{address}: {missing}; there is {', '.join(finished) or 'none'}")
    first, _, second = rest.partition("/")
    execution = found.get(first) or found[max(found)]
    output = second if first in found else first
    if output and output not in execution.outputs:
        raise ConfigError(f"{address}: {node} has no execution or output '{output}'; outputs are {execution.outputs}")
    return store, execution, [output] if output else execution.outputs
