"""`run`: from source data to a published model."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.commands import options

if TYPE_CHECKING:
    from pipeline.running import Finished


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
    _add_spans(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--from", dest="start", default="", metavar="STEP", help="execute STEP and all steps after it")
    which.add_argument("--only", default="", metavar="STEP", help="execute only STEP, on the artifacts of earlier runs")
    which.add_argument("--no-cache", action="store_true", help="execute every step")
    parser.add_argument(
        "--until",
        default="",
        metavar="STEP",
        help="run STEP and the steps that it needs, and no others; a scheduler can give each step a task of its own",
    )
    parser.add_argument(
        "--accept-anomalies",
        type=_reason,
        metavar="REASON",
        help="train although the data have anomalies that refuse a run; the reason is recorded and in the report",
    )
    parser.set_defaults(execute=execute, verb="run")


def _add_spans(parser: argparse.ArgumentParser) -> None:
    """Adds the options that name spans."""
    spans = parser.add_mutually_exclusive_group()
    spans.add_argument(
        "--span",
        type=_span,
        metavar="SPAN",
        help="the newest span to read, such as 2026-11-21, if data.interactions.path has {SPAN} (default: the newest)",
    )
    spans.add_argument(
        "--spans",
        type=_extent,
        metavar="FIRST..LAST",
        help="one run for each span from FIRST to LAST, oldest first; stops at the first that fails, and the same "
        "command continues there",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Runs the pipeline; exit code 3 if a step failed or a gate refused, 1 on an internal error."""
    options.interrupted_by_sigterm()
    if arguments.only and arguments.until:
        arguments.parser.error("--until runs steps that --only leaves alone; use one of them")
    if arguments.spans is None:
        _conclude(arguments, _run(arguments, arguments.span or ""))
        return 0
    if arguments.start or arguments.only or arguments.until:
        arguments.parser.error("--spans runs all steps; use --from, --only or --until with --span")
    from pipeline.backfill import Backfill

    first, last = arguments.spans
    again = ["--spans", f"{first}..{last}"]
    backfill = Backfill.between(
        arguments.config, first, last, root=arguments.root, settings=arguments.settings, again=arguments.no_cache
    )
    for done in backfill.run(lambda span: _run(arguments, span, again), lambda line: options.conclude(arguments, line)):
        _conclude(arguments, done)
    return 0


def _run(arguments: argparse.Namespace, span: str, again: Sequence[str] = ()) -> "Finished":
    from pipeline.execution.selection import Selection
    from pipeline.running import run_pipeline

    return run_pipeline(
        arguments.config,
        root=arguments.root,
        settings=arguments.settings,
        selection=Selection(arguments.start, arguments.only, arguments.until, use_cache=not arguments.no_cache),
        display=options.display(arguments),
        span=span,
        again=again,
        accepted=arguments.accept_anomalies or "",
    )


def _conclude(arguments: argparse.Namespace, done: "Finished") -> None:
    from pipeline.execution.report import summary

    options.conclude(arguments, summary(done.store, done.run, done.executions, options.root_given(arguments)))


def _span(text: str) -> str:
    from dataplane.sources.spans.notation import EXAMPLES, notation_of

    if notation_of(text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a span; allowed: {EXAMPLES}")
    return text


def _extent(text: str) -> tuple[str, str]:
    first, separator, last = text.partition("..")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form FIRST..LAST, such as 2026-11-01..2026-11-21")
    return _span(first), _span(last)


def _reason(text: str) -> str:
    """Parses the reason, which must say something."""
    if not (reason := " ".join(text.split())):
        raise argparse.ArgumentTypeError("a reason in words is needed")
    return reason
