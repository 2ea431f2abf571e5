"""`schema`: the JSON schema of configurations, for editors."""

import argparse


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "schema",
        help="print the JSON schema of configurations, with which editors complete and check them",
        description="Prints the JSON schema of configurations. Write it to a file beside yours, and let your first "
        "line be `# yaml-language-server: $schema=FILE`: editors with a YAML language server then complete keys, show "
        "what they mean and mark wrong values.",
    )
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Prints the schema."""
    import json

    from pipeline.config.json_schema import editor_schema

    print(json.dumps(editor_schema(), indent=1, ensure_ascii=False))
    return 0
