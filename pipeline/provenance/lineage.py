"""What an artifact was made from, and what was made from it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.execution.metadata import Execution, Store

Direction = Literal["up", "down"]


@dataclass(frozen=True)
class Link:
    """An artifact between the execution that made it and one that read it.

    Attributes:
        name: name of the reader's input.
        address: `STEP/EXECUTION/OUTPUT` as recorded by the reader.
        maker: the execution that made it, or an equal one; None if the records of all are missing.
        reader: the execution that read it.
    """

    name: str
    address: str
    maker: Execution | None
    reader: Execution


class Lineage:
    """The executions of a pipeline, connected by the artifacts that they made and read."""

    def __init__(self, store: Store) -> None:
        every = [execution for node in store.nodes() for execution in store.executions(node)]
        self._executions = {(it.node, it.id): it for it in every}
        self._equal = {(it.node, it.fingerprint): it for it in every}
        self._readers: defaultdict[str, list[Link]] = defaultdict(list)
        for execution in every:
            for link in self.made_from(execution):
                maker = link.maker
                self._readers[f"{maker.node}/{maker.id}" if maker else link.address.rpartition("/")[0]].append(link)

    def made_from(self, execution: Execution) -> list[Link]:
        """The inputs of an execution."""
        return [
            Link(name, address, self._maker(execution, name), execution) for name, address in execution.inputs.items()
        ]

    def read_by(self, execution: Execution, outputs: Sequence[str] = ()) -> list[Link]:
        """The executions that read outputs of an execution, oldest first.

        Args:
            execution: the execution.
            outputs: names of the outputs; all if empty.
        """
        links = self._readers[f"{execution.node}/{execution.id}"]
        found = [link for link in links if not outputs or link.address.rpartition("/")[2] in outputs]
        return sorted(found, key=lambda link: link.reader.id)

    def connected(self, origin: Execution, outputs: Sequence[str], directions: Sequence[Direction]) -> list[Execution]:
        """The execution and all that it comes from or that come from it, oldest first.

        Args:
            origin: the execution that made the artifact.
            outputs: names of its outputs whose readers are followed.
            directions: whether to follow inputs, readers, or both.
        """
        found = {origin.id: origin}
        for direction in directions:
            waiting = [origin]
            while waiting:
                execution = waiting.pop()
                for other in self._neighbours(execution, outputs if execution is origin else (), direction):
                    if other.id not in found:
                        found[other.id] = other
                        waiting.append(other)
        return [found[name] for name in sorted(found)]

    def _neighbours(self, execution: Execution, outputs: Sequence[str], direction: Direction) -> Iterator[Execution]:
        if direction == "down":
            yield from (link.reader for link in self.read_by(execution, outputs))
        else:
            yield from (link.maker for link in self.made_from(execution) if link.maker is not None)

    def _maker(self, execution: Execution, name: str) -> Execution | None:
        node, made, _ = execution.inputs[name].split("/")
        equal = (node, execution.input_fingerprints.get(name, ""))
        return self._executions.get((node, made)) or self._equal.get(equal)
