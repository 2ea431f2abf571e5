"""Finds the statistics of earlier data in the records: of the last accepted data, and of the published model's."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from components.example_validator import EarlierStatistics
from dataplane.artifacts import PushedModel
from dataplane.artifacts.pushed_model import Push
from dataplane.artifacts.statistics import StatisticsReport
from dataplane.errors import RunError
from pipeline.execution.lineage import producer
from pipeline.execution.metadata import Execution, Store

_VALIDATOR = "ExampleValidator"
ACCEPTED, PUBLISHED = "accepted", "published"
_WHAT = {ACCEPTED: "the last accepted data", PUBLISHED: "the published model's data"}


class EarlierRuns:
    """The earlier data of a pipeline under a root.

    Data that were accepted stay accepted: statistics are compared with what was there before they were first accepted,
    so a run without new data finds its step in the cache.
    """

    def __init__(self, root: Path, pipeline: str) -> None:
        self._store = Store(root, pipeline, lambda _: None)

    def found(self, key: str) -> Mapping[str, EarlierStatistics]:
        """See `EarlierData`; records that are missing or damaged are left out."""
        from pipeline.execution.published import TRAINED  # loads Arrow, which a configuration is checked without

        accepted, since = self._store.executions(_VALIDATOR), ""
        while accepted and _key(accepted[-1]) == key:
            since = accepted.pop().id
        last = next(self._statistics(ACCEPTED, reversed(accepted), ("statistics",)), None)
        pushes = [it for it in self._store.executions(TRAINED) if not since or it.id < since]
        newest = (it for it in reversed(pushes) if self._is_new(it))
        path = ("transformed_examples", "schema", "statistics")
        published = next(self._statistics(PUBLISHED, newest, path), None)
        every = {ACCEPTED: last, PUBLISHED: published}
        if last is not None and published is not None and last.digest == published.digest:
            del every[PUBLISHED]
        return {name: it for name, it in every.items() if it is not None}

    def now(self) -> datetime:
        """See `EarlierData`."""
        return datetime.now(UTC)

    def _is_new(self, pusher: Execution) -> bool:
        try:
            return Push.read(PushedModel(self._store.output(pusher, "pushed_model"))).new
        except RunError:
            return False

    def _statistics(
        self, name: str, executions: Iterator[Execution], path: Sequence[str]
    ) -> Iterator[EarlierStatistics]:
        """The statistics behind each execution, followed along its inputs."""
        for execution in executions:
            try:
                for step in path:
                    execution = producer(self._store, execution, step)
            except RunError:
                continue
            if (found := earlier(self._store, name, execution)) is not None:
                yield found


def earlier(store: Store, name: str, execution: Execution) -> EarlierStatistics | None:
    """The statistics that an execution computed; None if they are damaged."""
    if store.damage(execution) or not (store.output(execution, "statistics") / StatisticsReport.FILE).exists():
        return None
    directory = store.output(execution, "statistics")
    return EarlierStatistics(_WHAT[name], f"{execution.node}/{execution.id}", directory)


def _key(validator: Execution) -> str:
    """Cache key of the statistics that an ExampleValidator read."""
    return validator.input_fingerprints.get("statistics", "")
