"""`completion`: commands, options and file names by the Tab key."""

import argparse

from pipeline.commands import options

_SHELLS = ("bash", "zsh")


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "completion",
        help="print a script with which bash or zsh completes this command line",
        description="Prints a script with which a shell completes commands, options and file names of tfrs-pipeline.",
        epilog="examples:\n"
        "  source <(tfrs-pipeline completion bash)                   in ~/.bashrc\n"
        "  tfrs-pipeline completion zsh > ~/.zfunc/_tfrs-pipeline    a directory of zsh's fpath",
        formatter_class=options.HelpWithExamples,
    )
    parser.add_argument("shell", choices=_SHELLS, metavar="SHELL", help=f"{' or '.join(_SHELLS)}")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Prints the script."""
    import shtab

    parser: argparse.ArgumentParser = arguments.parser
    parser.prog = "tfrs-pipeline"
    for each in _all_parsers(parser):
        for action in each._actions:
            if action.type is not None and getattr(action.type, "__name__", "") in ("local_path", "Path"):
                action.complete = shtab.DIRECTORY if action.dest == "root" else shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, arguments.shell))
    return 0


def _all_parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    found = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += [each for verb in action.choices.values() for each in _all_parsers(verb)]
    return found
