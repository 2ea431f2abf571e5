"""The records of executions and runs, and the lock, as plain files under the root.

ROOT/PIPELINE/<node>/<execution>/<output>/      one directory per execution, never changed afterwards
ROOT/PIPELINE/<node>/<execution>/manifest.json  written last: without it the execution does not exist
ROOT/PIPELINE/runs/<run>.json, .log and .html   one record, one log and one report per run
ROOT/PIPELINE/runs/index.html and compare.html  the list of all runs, and the last comparison
ROOT/PIPELINE/.parts/<component>/<key>/         kept parts of results, see `dataplane.parts`
ROOT/PIPELINE/.lock                             held by the process that is running the pipeline
"""

import json
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path

from dataplane.files.digests import shortened
from models.spec.durable import sync, sync_tree, write_atomically
from pipeline.execution import lock
from pipeline.execution.ids import begins_with_id, is_id, new_id
from pipeline.execution.integrity import damages, take_digests
from pipeline.execution.kept_parts import remove_unfinished
from pipeline.execution.records import (
    Execution,
    Run,
    Step,
    Unreadable,
    UnreadableRecordError,
    now,
    read_record,
    to_json,
)

__all__ = ["Execution", "Run", "Step", "Store", "new_id", "no_such_pipeline", "now", "pipelines"]

_MANIFEST = "manifest.json"
_RUNS = "runs"


def _to_stderr(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr, flush=True)


class Store:
    """The records of one pipeline below a root directory.

    Unreadable records are treated as missing; a warning names each of them once.
    """

    def __init__(self, root: Path, pipeline: str, warn: Callable[[str], None] = _to_stderr) -> None:
        self.directory = root / pipeline
        self._tell = warn
        self._told: set[str] = set()

    def warn(self, line: str) -> None:
        """Prints a warning about the records, once."""
        if line not in self._told:
            self._told.add(line)
            self._tell(line)

    def execution_directory(self, node: str, execution: str) -> Path:
        """Where an execution keeps its outputs and its manifest."""
        return self.directory / node / execution

    def output(self, execution: Execution, name: str) -> Path:
        """Directory of one output."""
        return self.execution_directory(execution.node, execution.id) / name

    def input(self, execution: Execution, name: str) -> Path:
        """Directory of the artifact an execution read."""
        return self.directory / execution.inputs[name]

    def execution(self, node: str, execution: str) -> Execution | None:
        """A finished execution; None if it does not exist or its record is unreadable."""
        return self._execution(self.execution_directory(node, execution) / _MANIFEST)

    def new_id(self) -> str:
        """An id that sorts after the ids of all executions and runs. The caller holds the lock."""
        return new_id(after=self._names())

    def admit(self, run: Run) -> None:
        """Gives a starting run an id that sorts after all others and renames its log. The caller holds the lock."""
        others = [name for name in self._names() if begins_with_id(name) and not name.startswith(run.id)]
        if any(name > run.id for name in others):
            log, run.id = self.log_file(run), new_id(after=others)
            with suppress(FileNotFoundError):
                log.rename(self.log_file(run))

    def _names(self) -> list[str]:
        return [path.name for path in self.directory.glob("*/*")]

    def commit(self, execution: Execution) -> Execution:
        """Writes the manifest, with digests of all files, after the files have reached the disk."""
        directory = self.execution_directory(execution.node, execution.id)
        digests = take_digests(directory, execution.outputs)
        sizes = {path: (directory / path).stat().st_size for path in digests if not path.endswith("/")}
        sync_tree(directory)
        for parent in (directory.parent, self.directory, self.directory.parent):
            sync(parent)
        committed = replace(execution, files=sizes, digests=digests)
        write_atomically(directory / _MANIFEST, _text(committed))
        return committed

    def withdraw(self, node: str, execution: str) -> None:
        """Deletes the manifest, so the execution no longer exists; `remove_leftovers` deletes its files."""
        directory = self.execution_directory(node, execution)
        manifest = directory / _MANIFEST
        shutil.rmtree(manifest) if manifest.is_dir() else manifest.unlink()
        sync(directory)

    def executions(self, node: str) -> list[Execution]:
        """Finished executions of a node, oldest first."""
        found = map(self._execution, self._manifests(node))
        return [execution for execution in found if execution is not None]

    def unreadable(self, node: str) -> list[Unreadable]:
        """Executions of a node whose manifests cannot be used."""
        found = []
        for file in self._manifests(node):
            try:
                self._read(file)
            except UnreadableRecordError as error:
                found.append(Unreadable(node, file.parent.name, error.lost))
            except FileNotFoundError:
                continue
        return found

    def nodes(self) -> list[str]:
        """Ids of the nodes with finished executions."""
        return sorted({file.parent.parent.name for file in self.directory.glob(f"*/*/{_MANIFEST}")})

    def matching(self, node: str, fingerprint: str) -> list[Execution]:
        """Finished executions of a node with this cache key, oldest first, damaged ones as well."""
        return [execution for execution in self.executions(node) if execution.fingerprint == fingerprint]

    def find(self, node: str, fingerprint: str, *, otherwise: str = "it is not used") -> Execution | None:
        """The newest undamaged finished execution with this cache key; warns of damaged ones.

        Args:
            node: id of the node.
            fingerprint: the cache key.
            otherwise: completes the warning if all are damaged: what happens then.
        """
        damaged, sound = {}, None
        matching = self.matching(node, fingerprint)
        # An older execution with other inputs is no substitute, because the outputs of these inputs may differ.
        for execution in reversed([it for it in matching if it.inputs == matching[-1].inputs]):
            if not (found := self.damage(execution)):
                sound = execution
                break
            damaged[execution.id] = found
        for name, found in damaged.items():
            self.warn(f"{node}/{name} is damaged: {found}; {'an equal one is used' if sound else otherwise}")
        return sound

    def damage(self, execution: Execution) -> str:
        """Describes the damage to an execution's outputs on one line; "" if there is none."""
        directory = self.execution_directory(execution.node, execution.id)
        return shortened(damages(directory, execution.outputs, execution.files, execution.digests))

    def latest(self, node: str) -> Execution | None:
        """The newest finished execution of a node."""
        finished = self.executions(node)
        return finished[-1] if finished else None

    def remove_leftovers(self) -> None:
        """Deletes unfinished executions and records of killed or failed processes. The caller holds the lock."""
        for file in (self.directory / _RUNS).glob(".*"):
            file.unlink()  # temporary file of a record
        remove_unfinished(self.directory)
        for directory in self.directory.glob("[!.]*/*/"):
            if is_id(directory.name) and _is_missing(directory / _MANIFEST):
                shutil.rmtree(directory)

    def remove_unreadable(self, node: str) -> None:
        """Deletes executions whose manifests have invalid content. The caller holds the lock."""
        for found in self.unreadable(node):
            if found.lost:
                self.withdraw(node, found.id)
                shutil.rmtree(self.execution_directory(node, found.id))

    def save_run(self, run: Run) -> None:
        """Writes a run's record."""
        write_atomically(self._run_file(run.id), _text(run))

    def log_file(self, run: Run) -> Path:
        """Path of a run's log."""
        return self.directory / _RUNS / f"{run.id}.log"

    def report_file(self, run: Run) -> Path:
        """Path of a run's report."""
        return self.directory / _RUNS / f"{run.id}.html"

    @property
    def index_file(self) -> Path:
        """Path of the page that lists all runs."""
        return self.directory / _RUNS / "index.html"

    @property
    def comparison_file(self) -> Path:
        """Path of the page that compares runs, the first of which is this pipeline's."""
        return self.directory / _RUNS / "compare.html"

    def runs(self) -> list[Run]:
        """All runs, oldest first. A run recorded as running whose process is gone counts as interrupted."""
        found = []
        for file in self._run_files():
            try:
                run = self._read_run(file)
            except UnreadableRecordError as error:
                self._warn_unusable(file, error)
                continue
            except FileNotFoundError:
                continue
            if run.state == "running" and not lock.is_held(self._lock_file, run.pid):
                run.state = "interrupted"
            found.append(run)
        return found

    def unreadable_runs(self) -> list[str]:
        """Ids of the runs whose records cannot be used."""
        readable = {run.id for run in self.runs()}
        return [file.stem for file in self._run_files() if file.stem not in readable]

    def lock(self, purpose: str = lock.RUN) -> AbstractContextManager[None]:
        """Holds the pipeline for one runner, or for `clean`; the lock dies with the process.

        Raises:
            RunError: another runner holds it.
        """
        return lock.held(self._lock_file, purpose, self.warn)

    @property
    def _lock_file(self) -> Path:
        return self.directory / ".lock"

    def _run_file(self, run: str) -> Path:
        return self.directory / _RUNS / f"{run}.json"

    def _run_files(self) -> list[Path]:
        return sorted((self.directory / _RUNS).glob("*.json"))

    def _manifests(self, node: str) -> list[Path]:
        return sorted((self.directory / node).glob(f"*/{_MANIFEST}"))

    def _execution(self, manifest: Path) -> Execution | None:
        try:
            return self._read(manifest)
        except UnreadableRecordError as error:
            self._warn_unusable(manifest, error)
        except FileNotFoundError:
            pass
        return None

    @staticmethod
    def _read(manifest: Path) -> Execution:
        execution = read_record(Execution, manifest)
        if (execution.node, execution.id) != (manifest.parent.parent.name, manifest.parent.name):
            raise UnreadableRecordError(f"it records execution {execution.node}/{execution.id}", lost=True)
        return execution

    @staticmethod
    def _read_run(file: Path) -> Run:
        run = read_record(Run, file)
        if run.id != file.stem:
            raise UnreadableRecordError(f"it records run {run.id}", lost=True)
        return run

    def _warn_unusable(self, file: Path, error: UnreadableRecordError) -> None:
        self.warn(f"{file} cannot be used and is treated as missing: {error}")


def _text(record: Execution | Run) -> str:
    return json.dumps(to_json(record), indent=2, ensure_ascii=False) + "\n"


def _is_missing(manifest: Path) -> bool:
    """Whether the manifest is known to be missing; False if that cannot be determined."""
    try:
        manifest.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def no_such_pipeline(root: Path, name: str) -> str:
    """Error message for a pipeline without records."""
    return f"no pipeline '{name}' in {root}; pipelines there: {', '.join(pipelines(root)) or 'none'}"


def pipelines(root: Path) -> list[str]:
    """Names of the pipelines with records under a root."""
    return sorted(directory.parent.name for directory in root.glob(f"*/{_RUNS}") if directory.is_dir())
