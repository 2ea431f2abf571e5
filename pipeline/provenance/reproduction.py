"""Repeats a recorded run in another root and compares every step with its record."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from dataplane.beam_runner import InProcess
from dataplane.errors import PipelineError, RunError
from models.spec.progress import Report
from pipeline.execution.fingerprint import Ingredients
from pipeline.execution.metadata import Run, Step, Store
from pipeline.execution.progress import Progress
from pipeline.execution.runner import LocalRunner, new_run
from pipeline.execution.selection import Selection
from pipeline.provenance.changes import Change, changes
from pipeline.provenance.equality import Outcome, compare_outputs
from pipeline.provenance.rebuilding import Rebuilt, VersionsUntil


@dataclass(frozen=True)
class Conditions:
    """What is no longer as it was when a run was made.

    Attributes:
        changes: sources, parameters, files of code, libraries and Python that differ, each once.
        older: steps whose records, of an older release, have no digests of code and sources.
        gone: sources that cannot be read, by step.
        unpublished: the version that the model was compared with, if it is no longer published; otherwise 0.
    """

    changes: tuple[Change, ...]
    older: tuple[str, ...]
    gone: Mapping[str, str]
    unpublished: int = 0


class DiffersError(RunError):
    """A step came out otherwise than recorded."""


def conditions(store: Store, rebuilt: Rebuilt) -> Conditions:
    """Compares sources, parameters, code and libraries with those that the run recorded."""
    found: dict[tuple[str, str], Change] = {}
    gone, older, unpublished = {}, [], 0
    for node in rebuilt.pipeline.nodes:
        execution = rebuilt.recorded[node.id]
        try:
            external = dict(node.component.prepare().external)
        except PipelineError as error:
            gone[node.id], external = str(error), dict(execution.external or {})
        current = Ingredients.of(node.component, {}, external)
        now = replace(
            execution,
            external=external,
            params=dict(current.params),
            code=dict(current.code),
            libraries=dict(current.libraries),
        )
        for change in changes(store, execution, now):
            found.setdefault((change.kind, change.name), change)
        if execution.code is None or execution.external is None:
            older.append(node.id)
        compared = getattr(node.component, "published", None)
        if isinstance(compared, VersionsUntil) and compared.is_gone:
            unpublished = compared.last
    return Conditions(tuple(found.values()), tuple(older), gone, unpublished)


def reproduce(
    store: Store, rebuilt: Rebuilt, *, scratch: Store, run: Run, progress: Progress, keep_going: bool = False
) -> "Comparing":
    """Repeats the steps until one comes out otherwise than recorded.

    Args:
        store: the records of the run.
        rebuilt: its steps.
        scratch: records of the repetition, in another root.
        run: the run, whose configuration the new record names.
        progress: told how it goes.
        keep_going: whether to go on after a step that differs.

    Raises:
        RunError: a step failed, or a gate refused.
    """
    for execution in rebuilt.given.values():
        link = scratch.execution_directory(execution.node, execution.id)
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to(store.execution_directory(execution.node, execution.id).absolute())
    comparing = Comparing(store, rebuilt, scratch, progress, keep_going=keep_going)
    repetition = new_run(Path(run.config), run.settings, Path(run.base_dir or Path(run.config).parent))
    runner = LocalRunner(scratch, InProcess(), comparing)
    with suppress(DiffersError):
        runner.run(rebuilt.pipeline, repetition, Selection(), rebuilt.given)
    return comparing


class Comparing:
    """Compares each step when it has finished, and ends the run at the first that differs, unless told to go on.

    Attributes:
        outcomes: what was found, by node.
    """

    def __init__(self, store: Store, rebuilt: Rebuilt, scratch: Store, progress: Progress, *, keep_going: bool) -> None:
        self._store = store
        self._rebuilt = rebuilt
        self._scratch = scratch
        self._progress = progress
        self._keep_going = keep_going
        self.outcomes: dict[str, Outcome] = {}

    @property
    def first_difference(self) -> str:
        """The step that differs; "" if there is none."""
        return next((node for node, outcome in self.outcomes.items() if outcome.differences), "")

    def planned(self, nodes: Sequence[str]) -> None:
        """See `Progress`."""
        self._progress.planned(nodes)

    def step_started(self, node: str) -> None:
        """See `Progress`."""
        self._progress.step_started(node)

    def step_progress(self, report: Report) -> None:
        """See `Progress`."""
        self._progress.step_progress(report)

    def warned(self, line: str) -> None:
        """See `Progress`."""
        self._progress.warned(line)

    def step_finished(self, step: Step, facts: Mapping[str, object]) -> None:
        """Compares a finished step.

        Raises:
            DiffersError: the step came out otherwise than recorded.
        """
        self._progress.step_finished(step, facts)
        repeated = self._scratch.execution(step.node, step.execution) if step.state in ("run", "cached") else None
        if repeated is None:
            return
        recorded = self._rebuilt.recorded[step.node]
        outcome = compare_outputs((self._store, recorded), (self._scratch, repeated))
        self.outcomes[step.node] = outcome
        if outcome.differences and not self._keep_going:
            raise DiffersError(f"{step.node} differs from its record: {outcome.differences[0]}")
