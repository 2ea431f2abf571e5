"""`rollback`: serves an older version again."""

import argparse

from pipeline.commands import options


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "rollback",
        help="publish an older version again, as the newest",
        description="Publishes the content of an older version (see `versions`) of both models as a new, higher "
        "version, which servers pick up like any other. The models that were published after it are withdrawn: runs "
        "do not publish them again, only a newly trained model, or another rollback, takes the place of this one. A "
        "damaged version is not gone back to. A rollback that was killed is completed by the same command.",
    )
    options.add_published_pipeline(parser)
    parser.add_argument(
        "version",
        nargs="?",
        type=int,
        metavar="VERSION",
        help="a version that is still there; if left out, the newest whole one that holds an older model and was not "
        "rolled back from since",
    )
    options.add_root(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Rolls back; exit code 2 if there is nothing to go back to, 3 if what there is is damaged."""
    from pipeline.execution.published import Published

    pipeline, version = options.pipeline_and_version(arguments)
    published = Published.newest(arguments.root, pipeline)
    result = published.publisher.rollback(version, keep_versions=published.pusher.keep_versions)
    for note in result.notes:
        print(note)
    if result.new:
        print(f"published as version {result.version}:\n  {result.exact}\n  {result.scann}")
    else:
        print(f"version {result.version} is that model already; nothing was published")
    return 0
