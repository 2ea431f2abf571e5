"""`validate`: checks a configuration in under a second, without loading TensorFlow."""

import argparse

from pipeline.commands import options


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "validate",
        help="check a configuration against its schema and the headers of its files",
        description="Checks a configuration for unknown keys, wrong types, impossible combinations and columns "
        "missing from the files' headers. Reads no data and does not load TensorFlow. Exit code 2 if the configuration "
        "is invalid.",
    )
    options.add_config(parser)
    parser.add_argument(
        "--print",
        action="store_true",
        dest="whole",
        help="print the whole configuration as YAML, with defaults, and where each value comes from",
    )
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Prints the pipeline's name and split.

    Raises:
        ConfigError: the configuration is invalid.
    """
    from pipeline.config.config import load_config
    from pipeline.config.printing import print_config

    config = load_config(arguments.config, arguments.settings)
    told = f"{arguments.config} is valid: pipeline {config.name}, split {config.resolved_split.method}"
    print(f"# {told}\n{print_config(arguments.config, arguments.settings)}" if arguments.whole else told)
    return 0
