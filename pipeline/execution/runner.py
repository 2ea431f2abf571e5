"""Runs a pipeline on this machine, node after node: each is taken from the cache or executed.

A step's outputs become visible with its manifest, which is written last, so a killed or failed step leaves no visible
output. Running again continues where the last run stopped.
"""

import os
import shutil
import time
import traceback
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.base import ExecutionContext, Prepared
from dataplane.artifacts import Artifact
from dataplane.beam_runner import BeamConfig
from dataplane.errors import PipelineError, RefusedError, RunError
from dataplane.errors.credentials import redacted
from dataplane.errors.disk_errors import disk_error
from dataplane.parts import Parts
from pipeline.execution.dag import Node, OutputRef, Pipeline
from pipeline.execution.fingerprint import Ingredients
from pipeline.execution.kept_parts import parts_directory
from pipeline.execution.lineage import undamaged
from pipeline.execution.metadata import Execution, Run, Step, Store, new_id, now
from pipeline.execution.progress import Progress
from pipeline.execution.records import DAMAGED, FORCED, NEW_KEY, OUTDATED, RENEWED
from pipeline.execution.resources import measured
from pipeline.execution.selection import Selection
from pipeline.execution.settled import settled_inputs

_LEFT = ".resume"
"""Folder where interrupted executions leave their progress, by step and cache key."""
_EXECUTED_AGAIN = "the step is executed again"


class LocalRunner:
    """Executes pipelines in this process.

    Attributes:
        store: where executions and runs are recorded.
        beam: the Beam runner of the data steps.
        progress: receives the progress of every step.
    """

    def __init__(self, store: Store, beam: BeamConfig, progress: Progress) -> None:
        self.store = store
        self.beam = beam
        self.progress = progress
        self._done: dict[str, Execution] = {}
        self._forced: dict[str, str] = {}
        """Why steps are executed although they may be in the cache, by node id."""
        self._damaged: dict[str, Execution] = {}

    def run(
        self, pipeline: Pipeline, run: Run, selection: Selection, given: Mapping[str, Execution] | None = None
    ) -> dict[str, Execution]:
        """Runs every step; returns the execution that stands for each.

        Args:
            pipeline: what to run.
            run: the run's record, saved after every step.
            selection: what to execute again.
            given: finished executions by node id, for what the pipeline takes as given (`Pipeline.given`); an equal
                one takes the place of one that is damaged.

        Raises:
            ConfigError: what the Beam runner needs is not there; nothing was started.
            RunError: a step failed, or a gate refused; `run` says which.
        """
        self._forced = dict.fromkeys(selection.forced(pipeline), FORCED)
        with self.store.lock():
            self.store.admit(run)
            self._done = {node: undamaged(self.store, execution) for node, execution in (given or {}).items()}
            self._damaged = {}
            self.beam.check()
            if self.beam.exposure():
                self.store.warn(self.beam.exposure())
            self.beam.check_workers(self.store.directory.parent)
            nodes = selection.needed(pipeline)
            self.store.remove_leftovers()
            run.steps = [Step(node.id) for node in nodes]
            self.progress.planned([node.id for node in nodes])
            self.store.save_run(run)
            try:
                for node, step in zip(nodes, run.steps, strict=True):
                    may_execute = not selection.only or node.id == selection.only
                    self._done[node.id] = self._run_step(node, step, run, may_execute)
                    if self._has_new_bytes(node, self._done[node.id]):
                        self._forced |= dict.fromkeys(pipeline.readers(node.id), RENEWED)
                    self.store.save_run(run)
                run.state = "done"
            except BaseException as error:
                run.state = state_after(error)
                run.message = redacted(str(error)) or ("" if run.state == "interrupted" else type(error).__name__)
                raise
            finally:
                run.finished = now()
                # On a full disk the record cannot be written either; the original error must not be hidden by that.
                with nullcontext() if run.state == "done" else suppress(OSError):
                    self.store.save_run(run)
        return {node.id: self._done[node.id] for node in nodes}

    def _has_new_bytes(self, node: Node, execution: Execution) -> bool:
        """Whether this run replaced a damaged execution and the new outputs differ from the damaged ones' originals.

        Results derived from the damaged execution, such as a blessing, do not apply to the new one then.
        """
        damaged = self._damaged.get(node.id)
        return damaged is not None and damaged.digests not in ({}, execution.digests)

    def _run_step(self, node: Node, step: Step, run: Run, may_execute: bool) -> Execution:
        prepared = node.component.prepare_for(self._input_keys(node))
        node, ingredients = self._settled(node, prepared)
        key = ingredients.key
        found = None if node.id in self._forced else self.store.find(node.id, key, otherwise=_EXECUTED_AGAIN)
        if found is not None and node.component.is_current(self._outputs(node, found.id)):
            step.state, step.execution = "cached", found.id
            self.progress.step_finished(step, found.facts)
            return found
        step.reason = self._forced.get(node.id) or (NEW_KEY if found is None else OUTDATED)
        if step.reason == NEW_KEY and (damaged := self.store.matching(node.id, key)):
            self._damaged[node.id], step.reason = damaged[-1], DAMAGED
        if not may_execute:
            raise RunError(f"{node.id} is not in the cache for this configuration; run without --only first")
        self.progress.step_started(node.id)
        began = time.monotonic()
        try:
            execution = self._execute(node, step, run, ingredients, prepared)
        except BaseException as error:
            step.state, step.seconds = state_after(error), time.monotonic() - began
            self.progress.step_finished(step, {})
            raise
        step.state, step.seconds = "run", execution.seconds
        self.progress.step_finished(step, execution.facts)
        return execution

    def _settled(self, node: Node, prepared: Prepared[Any, Any]) -> tuple[Node, Ingredients]:
        """The node with the settled inputs of an earlier execution, if there is one, and its ingredients."""
        own = self._ingredients(node, prepared)
        found = settled_inputs(self.store, node, own) if node.settled else None
        if found is None:
            return node, own
        self._done |= found.given
        return found.of(node), self._ingredients(found.of(node), prepared)

    def _ingredients(self, node: Node, prepared: Prepared[Any, Any]) -> Ingredients:
        return Ingredients.of(node.component, self._input_keys(node), prepared.external)

    def _execute(
        self, node: Node, step: Step, run: Run, ingredients: Ingredients, prepared: Prepared[Any, Any]
    ) -> Execution:
        key = ingredients.key
        step.execution, started = self.store.new_id(), now()
        left = self.store.directory / _LEFT / node.id
        directory = self.store.execution_directory(node.id, step.execution)
        done = {name: self._done[ref.node] for name, ref in node.inputs.items()}
        execution = step.unfinished = Execution(
            node=node.id,
            id=step.execution,
            component=ingredients.component,
            fingerprint=key,
            inputs={name: f"{done[name].node}/{done[name].id}/{ref.output}" for name, ref in node.inputs.items()},
            input_fingerprints={name: made.fingerprint for name, made in done.items()},
            outputs=list(node.component.output_types()),
            params=dict(ingredients.params),
            libraries=dict(ingredients.libraries),
            external=dict(ingredients.external),
            code=dict(ingredients.code),
            facts={},
            run=run.id,
            started=started,
            seconds=0.0,
        )
        if node.settled:  # before the work begins, so that it survives a kill
            self.store.save_run(run)
        home = parts_directory(self.store.directory, ingredients.component)
        parts = Parts(home, ingredients.salt, self.store.warn, reuses=step.reason != FORCED)
        with measured() as used:
            facts = self._work(node, prepared, directory, left / key[:32], parts)
        committed = self.store.commit(replace(execution, facts=dict(facts), parts=sorted(parts.used), **used))
        step.unfinished = None
        self.store.remove_unreadable(node.id)
        shutil.rmtree(left, ignore_errors=True)
        return committed

    def _work(
        self, node: Node, prepared: Prepared[Any, Any], directory: Path, resume: Path, parts: Parts
    ) -> Mapping[str, Any]:
        """Executes the component with its outputs in a directory; returns its facts."""
        for name in node.component.output_types():
            (directory / name).mkdir(parents=True)
        inputs = {name: self._artifact(node, name, ref) for name, ref in node.inputs.items()}
        context = ExecutionContext(
            beam=self.beam,
            progress=self.progress.step_progress,
            warn=lambda line: self.store.warn(f"{node.id}: {line}"),
            scratch=directory / ".scratch",
            resume=resume,
            parts=parts,
        )
        outputs = self._outputs(node, directory.name)
        try:
            facts = prepared.execute(node.component.Inputs(**inputs), outputs, context)
        except PipelineError:
            raise
        except Exception as error:
            if (reason := disk_error(error)) is None:
                raise
            raise RunError(f"file-system error: {reason} ({_free(directory)})") from error
        shutil.rmtree(directory / ".scratch", ignore_errors=True)
        return facts

    def _outputs(self, node: Node, execution: str) -> Any:
        directory = self.store.execution_directory(node.id, execution)
        return node.component.Outputs(
            **{name: kind(directory / name) for name, kind in node.component.output_types().items()}
        )

    def _input_keys(self, node: Node) -> dict[str, str]:
        return {name: f"{self._done[ref.node].fingerprint}/{ref.output}" for name, ref in node.inputs.items()}

    def _artifact(self, node: Node, name: str, ref: OutputRef) -> Artifact:
        path: Path = self.store.output(self._done[ref.node], ref.output)
        return node.component.input_types()[name](path)


def new_run(config: Path, settings: Mapping[str, Any] | None = None, base_dir: Path | None = None) -> Run:
    """Creates the record of a run that starts now in this process.

    Args:
        config: the file of the configuration.
        settings: the settings of that file and of the command line.
        base_dir: directory from which relative paths of sources start; that of the file if None.
    """
    settings, base_dir = dict(settings or {}), base_dir or config.parent
    return Run(id=new_id(), config=str(config), pid=os.getpid(), settings=settings, base_dir=str(base_dir))


def _free(directory: Path) -> str:
    """Free disk space at a step's directory, or why it cannot be determined."""
    try:
        return f"{shutil.disk_usage(directory).free / 2**20:,.0f} MiB are free in {directory}"
    except OSError as error:
        return f"{directory}: {error.strerror}"


def internal_error(error: BaseException) -> str:
    """Describes an unexpected error on one line: its type, message and place in the code."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})"


def state_after(error: BaseException) -> str:
    """The state of a step or run that an error ended."""
    if isinstance(error, RefusedError):
        return "refused"
    return "failed" if isinstance(error, PipelineError | Exception) else "interrupted"
