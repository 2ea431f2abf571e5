"""The lineage of an artifact as a text tree and as JSON."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dataplane.artifacts import PushedModel
from dataplane.artifacts.pushed_model import Push
from dataplane.errors import UnreadableDocumentError
from dataplane.text_tables import wrapped
from pipeline.execution.metadata import Execution, Store
from pipeline.provenance.changes import artifact_digest
from pipeline.provenance.lineage import Direction, Lineage, Link

_BRANCH, _LAST, _BAR, _BLANK = "├─ ", "└─ ", "│  ", "   "
_PUSHED = "pushed_model"
_LEAST_WIDTH = 20


class Tree:
    """Lines of a tree; what was shown already is named again without its branches.

    Args:
        store: the pipeline's records.
        lineage: their connections.
    """

    def __init__(self, store: Store, lineage: Lineage) -> None:
        self._store = store
        self._lineage = lineage
        self._shown: set[tuple[str, Direction]] = set()

    def lines(self, execution: Execution, outputs: Sequence[str], direction: Direction) -> Iterator[str]:
        """The lines below an execution in one direction.

        Args:
            execution: the execution.
            outputs: names of the outputs whose readers are followed; all if empty.
            direction: whether to follow its inputs or its readers.
        """
        branches = self._branches(execution, outputs, direction)
        for number, (text, next_execution) in enumerate(branches, start=1):
            is_last = number == len(branches)
            again = next_execution is not None and (next_execution.id, direction) in self._shown
            yield f"{_LAST if is_last else _BRANCH}{text}{' (see above)' if again else ''}"
            if next_execution is None or again:
                continue
            self._shown.add((next_execution.id, direction))
            for line in self.lines(next_execution, (), direction):
                yield f"{_BLANK if is_last else _BAR}{line}"

    def _branches(
        self, execution: Execution, outputs: Sequence[str], direction: Direction
    ) -> list[tuple[str, Execution | None]]:
        """Text of each branch, and the execution that it leads to, if any."""
        if direction == "up":
            links = self._lineage.made_from(execution)
            gone = [f"{link.name}: {link.address} (no longer recorded)" for link in links if link.maker is None]
            sources = [f"source {name} ({digest})" for name, digest in (execution.external or {}).items()]
            return [*_grouped(links, direction), *((text, None) for text in (*gone, *sources))]
        version = published_version(self._store, execution)
        told: list[tuple[str, Execution | None]] = [] if version is None else [(f"published version {version}", None)]
        return [*_grouped(self._lineage.read_by(execution, outputs), direction), *told]


def branch_lines(line: str, width: int | None) -> list[str]:
    """A line of a tree in at most `width` columns; the bars of the tree go on beside further lines."""
    if width is None or len(line) <= width:
        return [line]
    text = line.lstrip(f"{_BRANCH}{_LAST}{_BAR}")
    bars = line.removesuffix(text)
    below = bars.replace(_BRANCH, _BAR).replace(_LAST, _BLANK) + "  "
    first, *further = wrapped(text, max(_LEAST_WIDTH, width - len(below)))
    return [bars + first, *(below + part for part in further)]


def published_version(store: Store, execution: Execution) -> int | None:
    """The version that an execution published; None if it published none, or that cannot be read."""
    if _PUSHED not in execution.outputs:
        return None
    try:
        pushed = Push.read(PushedModel(store.output(execution, _PUSHED)))
    except UnreadableDocumentError:
        return None
    return pushed.version if pushed.new else None


def as_json(
    store: Store, lineage: Lineage, origin: Execution, outputs: Sequence[str], directions: Sequence[Direction]
) -> dict[str, Any]:
    """The executions with their inputs and outputs, oldest first, and the artifacts that were asked for."""
    name = store.directory.name
    return {
        "pipeline": name,
        "artifacts": [f"{origin.node}/{origin.id}/{output}" for output in outputs],
        "executions": [
            _execution(store, lineage, execution) for execution in lineage.connected(origin, outputs, directions)
        ],
    }


def _execution(store: Store, lineage: Lineage, execution: Execution) -> dict[str, Any]:
    version = published_version(store, execution)
    return {
        "step": execution.node,
        "execution": execution.id,
        "component": execution.component,
        "run": execution.run,
        "started": execution.started,
        "seconds": execution.seconds,
        "inputs": [
            {"name": link.name, "artifact": link.address, "recorded": link.maker is not None}
            for link in lineage.made_from(execution)
        ],
        "sources": execution.external,
        "outputs": [
            {"artifact": f"{execution.node}/{execution.id}/{output}", "digest": artifact_digest(execution, output)}
            for output in execution.outputs
        ],
        **({} if version is None else {"published_version": version}),
    }


def _grouped(links: Iterable[Link], direction: Direction) -> Iterator[tuple[str, Execution]]:
    """One branch for all artifacts between the same two executions."""
    found: dict[str, tuple[Execution, list[str]]] = {}
    for link in links:
        other = link.maker if direction == "up" else link.reader
        if other is not None:
            found.setdefault(other.id, (other, []))[1].append(_name(link))
    for other, names in found.values():
        yield f"{other.node}/{other.id}, run {other.run}: {', '.join(names)}", other


def _name(link: Link) -> str:
    """Name of the artifact, and of the reader's input if that is called otherwise."""
    output = link.address.rpartition("/")[2]
    return output if output == link.name else f"{output} as {link.name}"
