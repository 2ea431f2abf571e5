"""Runs a pipeline from its configuration file, for the command line and for Python."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataplane.sources.spans.window import await_spans
from pipeline.config.config import load_config
from pipeline.config.settings import span_setting
from pipeline.create_pipeline import create_pipeline, publishing_directory
from pipeline.ending import ended
from pipeline.execution.base_model import find_base
from pipeline.execution.display import NORMAL, Display
from pipeline.execution.metadata import Execution, Run, Store
from pipeline.execution.selection import Selection
from pipeline.execution.session import open_session
from pipeline.messages import repeated


@dataclass(frozen=True)
class Finished:
    """A run that is done.

    Attributes:
        store: the records of its pipeline.
        run: its record.
        executions: the execution that stands for each step.
    """

    store: Store
    run: Run
    executions: Mapping[str, Execution]


def run_pipeline(
    file: Path,
    *,
    root: Path,
    settings: Sequence[str] = (),
    selection: Selection | None = None,
    display: Display = NORMAL,
    span: str = "",
    again: Sequence[str] = (),
    accepted: str = "",
) -> Finished:
    """Runs every step whose inputs, parameters or code have changed, and writes the report.

    Args:
        file: the configuration.
        root: where artifacts and records are kept.
        settings: `key=value` settings that override the file.
        selection: steps to execute even if they are cached.
        display: how much is shown, and in which form.
        span: the run's span; "" for the newest.
        again: options that the command that continues has instead of `--span`.
        accepted: why anomalies in the data are accepted; "" refuses them.

    Raises:
        ConfigError: the configuration is invalid, a step does not exist, or the root cannot be written to.
        InternalError: nobody foresaw what went wrong; the log has the traceback.
        RunError: a step failed, a gate refused, or somebody interrupted the run.
    """
    config = load_config(file, [*settings, span_setting(span)] if span else settings)
    pipeline = create_pipeline(config, root.resolve(), accepted=accepted)
    selection = selection or Selection()
    selection.forced(pipeline)
    options = again or (["--span", span] if span else [])
    command = repeated("run", file, root=root, settings=settings, options=options)
    with (
        open_session(config, file=file.resolve(), root=root.resolve(), again=command, display=display) as session,
        ended(session),
    ):
        await_spans(config.data, session.progress.warned)
        directory = publishing_directory(config, root.resolve())
        base = find_base(config.training.warm_start, session.store, directory=directory)
        if base is not None:
            pipeline = create_pipeline(config, root.resolve(), base, accepted=accepted)
        executions = session.execute(pipeline, selection, None if base is None else base.given)
    return Finished(session.store, session.run, executions)
