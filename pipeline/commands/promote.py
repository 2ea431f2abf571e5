"""`promote`: gives a label to a published version."""

import argparse

from dataplane.errors import ConfigError
from pipeline.commands import options
from serving.published.labels import DEFAULT_LABEL


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "promote",
        help="give a published version a label, such as stable",
        description="Gives a label to a published version (see `versions`) of both models. Servers then answer "
        "requests for the label with this version, beside the newest one, which answers requests that name no version. "
        "Labelled versions are kept when old versions are removed. A label that another version has moves.",
    )
    options.add_published_pipeline(parser)
    parser.add_argument("version", nargs="?", type=int, metavar="VERSION", help="a version that is still there")
    parser.add_argument("--label", default=DEFAULT_LABEL, metavar="LABEL", help="the label (default: %(default)s)")
    parser.add_argument("--remove", action="store_true", help="take the label away instead; needs no VERSION")
    options.add_root(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Labels; exit code 2 if there is no such version or label, 3 if the version is damaged."""
    from pipeline.execution.published import Published
    from serving.published.promoting import Promoter

    pipeline, version = options.pipeline_and_version(arguments)
    if (version is None) != arguments.remove:
        raise ConfigError("promote takes a VERSION, or --remove to take a label away, and not both; see `versions`")
    publisher = Published.newest(arguments.root, pipeline).publisher
    promoter = Promoter(publisher.directory, publisher.name)
    if version is None:
        print(f"version {promoter.withdraw(arguments.label)} no longer has the label {arguments.label}")
        return 0
    before = promoter.promote(version, arguments.label)
    if before == version:
        print(f"version {version} has the label {arguments.label} already")
    else:
        print(f"version {version} has the label {arguments.label}" + (f", as {before} had" if before else ""))
    return 0
