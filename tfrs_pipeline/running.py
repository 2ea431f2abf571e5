"""Starts runs, and finds finished ones."""

import json
from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal, TypeAlias

from dataplane.errors import ConfigError, InterruptedRunError
from dataplane.errors.for_users import errors_for_users
from pipeline.messages import DEFAULT_ROOT
from tfrs_pipeline.results import Run

Place: TypeAlias = str | PathLike[str]


def run(
    config: Place,
    *,
    root: Place = DEFAULT_ROOT,
    start: str = "",
    only: str = "",
    until: str = "",
    use_cache: bool = True,
    show: Literal["quiet", "normal", "verbose"] = "normal",
    **overrides: Any,
) -> Run:
    """Runs a pipeline, as the command `run` does; what has not changed since the last run is not done again.

    While it works, what is logged goes to the run's log. Scripts need `if __name__ == "__main__":` around the call if
    `training.distribution` is `multi_worker`, because the training then has its own process.

    Args:
        config: the YAML file.
        root: directory of artifacts, run records and published models.
        start: execute this step and all steps after it.
        only: execute only this step, on the artifacts of earlier runs.
        until: run this step and the steps that it needs, and no others.
        use_cache: False executes every step.
        show: how much the standard error stream shows.
        **overrides: keys of the file with other values, nested: `training={"batch_size": 256}`, or dotted:
            `**{"training.batch_size": 256}`.

    Raises:
        ConfigError: the configuration is invalid; the message lists every problem.
        RefusedError: a gate refused the data or the model. `load` returns the run, as far as it got.
        RunError: a step failed.
        InternalError: nobody foresaw what went wrong; the log has the traceback.
        KeyboardInterrupt: somebody interrupted the run; the same call continues it.
    """
    from pipeline.execution.display import Display
    from pipeline.execution.run_log import logging_restored
    from pipeline.execution.selection import Selection
    from pipeline.running import run_pipeline

    try:
        with errors_for_users(), logging_restored():
            done = run_pipeline(
                Path(config),
                root=Path(root),
                settings=[_setting(key, value) for key, value in overrides.items()],
                selection=Selection(start, only, until, use_cache=use_cache),
                display=Display(show),
            )
    except InterruptedRunError as error:
        raise KeyboardInterrupt(str(error)) from None
    return Run(done.store, done.run)


def init(*files: Place, output: Place) -> Path:
    """Drafts a commented configuration for files, as the command `init` does; read and correct it.

    Args:
        *files: delimited text, Parquet or JSON files, directories of files, or globs; local, gs:// or s3://.
        output: the file to write, which must not exist; its name becomes the pipeline's name.

    Returns:
        `output`.

    Raises:
        ConfigError: no configuration fits the files, or `output` cannot be written.
        RunError: a directory or store cannot be read.
    """
    from pipeline.drafting.checked import write_draft

    with errors_for_users():
        write_draft([fspath(file) for file in files], Path(output))
    return Path(output)


def load(root: Place = DEFAULT_ROOT, pipeline: str | None = None, run: str | None = None) -> Run:
    """Finds a run, finished or not.

    Args:
        root: directory of the records.
        pipeline: name of the pipeline; None if the root has only one.
        run: id of the run; the newest if None.

    Raises:
        ConfigError: there is no such pipeline or run, or there are several pipelines.
    """
    from pipeline.execution.chosen import chosen_run, chosen_store

    with errors_for_users():
        store = chosen_store(Path(root), pipeline)
        return Run(store, chosen_run(store, run))


def runs(root: Place = DEFAULT_ROOT, pipeline: str | None = None) -> list[Run]:
    """All runs of a pipeline, oldest first.

    Args:
        root: directory of the records.
        pipeline: name of the pipeline; None if the root has only one.

    Raises:
        ConfigError: there is no such pipeline, or there are several.
    """
    from pipeline.execution.chosen import chosen_store

    with errors_for_users():
        store = chosen_store(Path(root), pipeline)
        return [Run(store, record) for record in store.runs()]


def _setting(key: str, value: Any) -> str:
    """An override as the command line's `--set` takes it: JSON is YAML."""
    try:
        return f"{key}={json.dumps(value, default=_plain, ensure_ascii=False)}"
    except (TypeError, ValueError) as error:
        raise ConfigError(f"override {key}: {error}") from None


def _plain(value: Any) -> Any:
    """A path as text, and a number of numpy or a mapping as a plain one."""
    if isinstance(value, PathLike):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is not a value of a configuration")
