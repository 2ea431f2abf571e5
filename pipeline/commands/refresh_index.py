"""`refresh-index`: serves a new candidate table with the published model."""

import argparse

from pipeline.commands import options


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "refresh-index",
        help="serve a new candidate table with the published model, without training",
        description="Reads data.candidates again, embeds the candidates with the published model's towers, builds and "
        "checks the index as `run` does, and publishes the result as a new version. The new version answers exactly "
        "the candidates of the table: it recommends new ones by their features, and no removed ones; removed "
        "candidates in a request's history still count. Does nothing if the table has not changed. Refused if the "
        "model was replaced or rolled back in the meantime, or if more than refresh.max_removed_fraction of its "
        "candidates are missing.",
        epilog="example:\n  refresh-index mine.yaml --set data.candidates.path=movies_today.csv",
        formatter_class=options.HelpWithExamples,
    )
    parser.add_argument(
        "--attributes-only",
        action="store_true",
        help="keep candidates, embeddings and index, and replace the attributes that requests select by "
        "(index.filters, index.max_per) and the columns that answers are shown with",
    )
    options.add_config(parser)
    options.add_root(parser)
    options.add_display(parser)
    parser.set_defaults(execute=execute, verb="refresh-index")


def execute(arguments: argparse.Namespace) -> int:
    """Refreshes the index; exit codes as `run`, 2 if nothing is published or there is no candidate table."""
    from dataplane.files.digests import shortened
    from pipeline.attribute_refresh import create_attribute_refresh
    from pipeline.config.config import load_config
    from pipeline.ending import ended
    from pipeline.execution.published import Published
    from pipeline.execution.report import summary
    from pipeline.refresh import create_refresh

    config = load_config(arguments.config, arguments.settings)
    published = Published.newest(arguments.root.resolve(), config.name)
    create, flags = create_refresh, list[str]()
    if arguments.attributes_only:
        create, flags = create_attribute_refresh, ["--attributes-only"]
    refresh = create(config, published)
    if damage := published.publisher.damage(published.version):
        warning = f"version {published.version} is damaged ({shortened(damage)})"
        warning += f"; its index is rebuilt from the artifacts in {published.store.directory}"
    with options.session(arguments, config, flags=flags) as session, ended(session):
        if damage:
            session.progress.warned(warning)
        executions = session.execute(refresh.pipeline, given=refresh.given)
    text = summary(session.store, session.run, executions, options.root_given(arguments))
    options.conclude(arguments, text)
    return 0
