"""Inputs that are chosen when a step is first begun, and stay when it is repeated.

A training that starts from the published model would otherwise start from another model after it has been published
itself, or when it is continued after a kill.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pipeline.execution.dag import Node, OutputRef
from pipeline.execution.fingerprint import Ingredients
from pipeline.execution.metadata import Execution, Store

_CONTINUED = ("interrupted", "failed")


@dataclass(frozen=True)
class Settled:
    """The settled inputs of an earlier execution.

    Attributes:
        inputs: outputs of the executions in `given`, by the name of the input.
        given: finished executions by the names that `given_as` makes.
    """

    inputs: Mapping[str, OutputRef]
    given: Mapping[str, Execution]

    def of(self, node: Node) -> Node:
        """The node with these inputs in place of its own settled ones."""
        kept = {name: ref for name, ref in node.inputs.items() if name not in node.settled}
        return replace(node, inputs={**kept, **self.inputs})


def given_as(execution: Execution) -> str:
    """Name of an execution of another run; no step of a pipeline has such a name."""
    return f"{execution.node}/{execution.id}"


def settled_inputs(store: Store, node: Node, ingredients: Ingredients) -> Settled | None:
    """What the newest earlier execution with otherwise equal ingredients read as the settled inputs of a node.

    Args:
        store: the pipeline's records.
        node: names its settled inputs.
        ingredients: its ingredients today; its settled inputs do not count.

    Returns:
        Its settled inputs, which may be none; None if there is no such execution.
    """
    for earlier in _earlier(store, node):
        if not _is_equal(node, ingredients, earlier):
            continue
        made = {name: _maker(store, earlier, name) for name in node.settled if name in earlier.inputs}
        found = {name: execution for name, execution in made.items() if execution is not None}
        if len(found) == len(made):
            outputs = {name: earlier.inputs[name].rpartition("/")[2] for name in found}
            return Settled(
                {name: OutputRef(given_as(execution), outputs[name]) for name, execution in found.items()},
                {given_as(execution): execution for execution in found.values()},
            )
        store.warn(f"{node.id}/{earlier.id} cannot be continued or reused: its base is gone")
    return None


def _earlier(store: Store, node: Node) -> Iterator[Execution]:
    begun = [
        step.unfinished
        for run in store.runs()
        for step in run.steps
        if step.node == node.id and step.unfinished is not None and run.state in _CONTINUED
    ]
    yield from sorted([*store.executions(node.id), *begun], key=lambda it: it.id, reverse=True)


def _is_equal(node: Node, ingredients: Ingredients, earlier: Execution) -> bool:
    inputs = {name: value for name, value in ingredients.inputs.items() if name not in node.settled}
    others = {
        name: f"{earlier.input_fingerprints.get(name)}/{address.rpartition('/')[2]}"
        for name, address in earlier.inputs.items()
        if name not in node.settled
    }
    return (inputs, ingredients.params, ingredients.external, ingredients.code, ingredients.libraries) == (
        others,
        earlier.params,
        earlier.external,
        earlier.code,
        earlier.libraries,
    )


def _maker(store: Store, execution: Execution, name: str) -> Execution | None:
    node, made, _ = execution.inputs[name].split("/")
    found = store.execution(node, made)
    return (
        found
        if found is not None and not store.damage(found)
        else store.find(node, execution.input_fingerprints.get(name, ""))
    )
