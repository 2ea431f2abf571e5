"""The pipeline as data: components connected to each other's outputs, in an order that can be executed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from components.base import Component
from dataplane.artifacts import Artifact


@dataclass(frozen=True)
class OutputRef:
    """One output of one node."""

    node: str
    output: str


@dataclass(frozen=True)
class Node:
    """A component and its connections.

    Attributes:
        id: unique in the pipeline; names the step on the command line and its folder under the root.
        component: the component to execute.
        inputs: the output that each of the component's inputs reads.
        after: ids of gates, nodes that must succeed first although none of their outputs is read.
        settled: names of the inputs that a repetition takes from the first time, see `pipeline.execution.settled`.
    """

    id: str
    component: Component
    inputs: Mapping[str, OutputRef] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    settled: tuple[str, ...] = ()

    def __getitem__(self, output: str) -> OutputRef:
        if output not in self.component.output_types():
            raise ValueError(f"{self.id} has no output '{output}'; outputs: {', '.join(self.component.output_types())}")
        return OutputRef(self.id, output)

    @property
    def upstream(self) -> frozenset[str]:
        """Ids of the nodes this one waits for."""
        return frozenset(ref.node for ref in self.inputs.values()) | frozenset(self.after)


class Pipeline:
    """Nodes in topological order: a node can only be connected to nodes added before it.

    Attributes:
        name: name of the folder under the root and of the served model.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._nodes: dict[str, Node] = {}
        self._given: dict[OutputRef, type[Artifact]] = {}

    def given(self, node_id: str, output: str, kind: type[Artifact]) -> OutputRef:
        """Declares an output of a node outside this pipeline; the runner is given a finished execution of that node."""
        ref = OutputRef(node_id, output)
        self._given[ref] = kind
        return ref

    def add(
        self,
        component: Component,
        *,
        node_id: str = "",
        after: Iterable[Node] = (),
        settled: Iterable[str] = (),
        **inputs: OutputRef | None,
    ) -> Node:
        """Adds a component; checks the artifact types of its inputs.

        Args:
            component: the component.
            node_id: the node's id; the component's name if empty.
            after: gates, see `Node.after`.
            settled: names of inputs, see `Node.settled`.
            **inputs: an output of an earlier node for each input; None omits an optional input.

        Raises:
            ValueError: an input is missing, unknown or of another artifact type.
        """
        given = {name: ref for name, ref in inputs.items() if ref is not None}
        node = Node(
            node_id or type(component).__name__, component, given, tuple(gate.id for gate in after), tuple(settled)
        )
        if node.id in self._nodes:
            raise ValueError(f"two nodes are called {node.id}")
        self._check_contract(node)
        self._nodes[node.id] = node
        return node

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes in topological order."""
        return tuple(self._nodes.values())

    def until(self, node_id: str) -> "Pipeline":
        """The part of the pipeline that a node needs, including the node."""
        needed = {node_id}
        for node in reversed(self.nodes):
            if node.id in needed:
                needed |= node.upstream
        part = Pipeline(self.name)
        part._nodes = {node.id: node for node in self.nodes if node.id in needed}
        return part

    def downstream(self, node_id: str) -> frozenset[str]:
        """The node and all nodes that wait for it, directly or indirectly."""
        found = {node_id}
        for node in self.nodes:
            if node.upstream & found:
                found.add(node.id)
        return frozenset(found)

    def readers(self, node_id: str) -> frozenset[str]:
        """All nodes that read an output of the node, directly or indirectly; gates do not count."""
        found = {node_id}
        for node in self.nodes:
            if any(ref.node in found for ref in node.inputs.values()):
                found.add(node.id)
        return frozenset(found - {node_id})

    def _check_contract(self, node: Node) -> None:
        expected = node.component.input_types()
        missing = set(node.component.required_inputs()) - set(node.inputs)
        unknown = set(node.inputs) - set(expected)
        if missing or unknown:
            raise ValueError(f"{node.id}: missing inputs {sorted(missing)}, unknown inputs {sorted(unknown)}")
        for name, ref in node.inputs.items():
            given = self._given.get(ref) or self._nodes[ref.node].component.output_types()[ref.output]
            if given is not expected[name]:
                raise ValueError(f"{node.id}.{name} needs {expected[name].__name__}, but {ref} is {given.__name__}")
