"""`run`: from source data to a published model."""

import argparse

from pipeline.commands import options


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "run",
        help="run the pipeline, reusing finished steps",
        description="Runs every step of the pipeline whose inputs, parameters or code have changed since its last "
        "execution under this root, and prints a summary. To continue a killed or failed run where it stopped, give "
        "the same command again.",
    )
    options.add_config(parser)
    options.add_root(parser)
    options.add_display(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--from", dest="start", default="", metavar="STEP", help="execute STEP and all steps after it")
    which.add_argument("--only", default="", metavar="STEP", help="execute only STEP, on the artifacts of earlier runs")
    which.add_argument("--no-cache", action="store_true", help="execute every step")
    parser.set_defaults(execute=execute, verb="run")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the pipeline; exit code 3 if a step failed or a gate refused, 1 on an internal error."""
    from pipeline.config.config import load_config
    from pipeline.create_pipeline import create_pipeline
    from pipeline.execution.report import summary
    from pipeline.execution.runner import Selection
    from pipeline.reporting.writing import reported
    from pipeline.tracking.tracked import tracked

    config = load_config(arguments.config, arguments.settings)
    pipeline = create_pipeline(config, arguments.root.resolve())
    selection = Selection(start=arguments.start, only=arguments.only, use_cache=not arguments.no_cache)
    selection.forced(pipeline)
    with options.session(arguments, config) as session, tracked(session), reported(session):
        executions = session.execute(pipeline, selection)
    text = summary(session.store, session.run, executions, options.root_given(arguments))
    options.conclude(arguments, text)
    return 0
