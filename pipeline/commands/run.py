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
    from pipeline.execution.report import summary
    from pipeline.execution.runner import Selection
    from pipeline.running import run_pipeline

    options.interrupted_by_sigterm()
    done = run_pipeline(
        arguments.config,
        root=arguments.root,
        settings=arguments.settings,
        selection=Selection(start=arguments.start, only=arguments.only, use_cache=not arguments.no_cache),
        display=options.display(arguments),
    )
    options.conclude(arguments, summary(done.store, done.run, done.executions, options.root_given(arguments)))
    return 0
