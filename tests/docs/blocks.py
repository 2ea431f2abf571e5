"""Code blocks of README and docs, and the commands in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.paths import PROJECT

PAGES = sorted([PROJECT / "README.md", *(PROJECT / "docs").glob("**/*.md")])
_FENCE = re.compile(r"^(?P<indent> *)```(?P<head>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: path of the page in the project.
        line: number of the line with the opening fence.
        language: first word after the fence.
        title: the title given after the language; empty if there is none.
    """

    page: str
    line: int
    language: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(*pages: Path) -> Iterator[Block]:
    """Blocks of the given pages, or of all."""
    for page in pages or PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            language, _, options = match["head"].partition(" ")
            title = re.search(r'title="([^"]*)"', options)
            indent = len(match["indent"])
            lines = [line[indent:] for line in _included(match["text"]).splitlines()]
            yield Block(
                page=str(page.relative_to(PROJECT)),
                line=text.count("\n", 0, match.start()) + 1,
                language=language,
                title=title[1] if title else "",
                text="\n".join(lines) + "\n",
            )


def _included(text: str) -> str:
    """The text with the files that MkDocs puts into it."""
    include = re.compile(r'^--8<-- "(.+)"$', re.MULTILINE)
    return include.sub(lambda match: (PROJECT / match[1]).read_text(encoding="utf-8"), text)


def commands(block: Block) -> list[list[str]]:
    """Words of each command of a block of shell; comments, control operators and redirections are left out."""
    found: list[list[str]] = []
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars=";&|>")
        words.whitespace_split = True
        found.append([])
        for word in words:
            if word == ">":
                next(words)  # the file that is written
            elif set(word) <= set(";&|"):
                found.append([])
            else:
                found[-1].append(word)
    return [words for words in found if words]
