"""Error messages on a terminal: lines break between words, and a command to copy stays whole."""

import sys
import textwrap

_COMMAND = "python -m pipeline"
_LEAST_WIDTH = 40


def print_error(text: str) -> None:
    """Prints an error to the standard error stream."""
    if not sys.stderr.isatty():
        print(f"error: {text}", file=sys.stderr)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    shown = Text("\n".join(laid_out(f"error: {text}", console.width)))
    shown.stylize("bold red", 0, len("error:"))
    console.print(shown, soft_wrap=True)


def laid_out(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns, but for paths and commands, which stay whole; a command gets its own line."""
    found: list[str] = []
    for line in text.splitlines():
        prose, command, rest = line.partition(_COMMAND)
        if len(line) <= width:
            found.append(line)
        elif not command:
            found += _wrapped(line, width)
        else:
            found += _wrapped(prose.rstrip(), width) if prose.strip() else []
            found.append(f"  {command}{rest}")
    return found


def _wrapped(line: str, width: int) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(
        line.lstrip(),
        max(width, _LEAST_WIDTH),
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
