"""Messages that the page on troubleshooting explains are messages that the program has."""

import ast
import re
from functools import cache

import pytest

from tests.paths import PROJECT

PAGE = (PROJECT / "docs/troubleshooting.md").read_text(encoding="utf-8")
MESSAGES = re.findall(r"^### `(.+)`$", PAGE, re.MULTILINE)
ROOMS = ("tfrs_pipeline", "pipeline", "components", "serving", "dataplane", "models")
GAP = "…"


@cache
def texts() -> list[str]:
    """All texts of the code, with a gap for every value in them."""
    found = []
    for room in ROOMS:
        for path in (PROJECT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = (part.value if isinstance(part, ast.Constant) else GAP for part in node.values)
                    found.append("".join(map(str, parts)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(re.sub(r"\{\w+\}", GAP, node.value))
    return found


def test_there_are_messages() -> None:
    assert len(MESSAGES) > 15


@pytest.mark.parametrize("message", MESSAGES)
def test_the_program_has_the_message(message: str) -> None:
    pieces = [re.escape(piece) for piece in re.split(f" ?{GAP} ?", message) if piece]
    pattern = re.compile(".*".join(pieces), re.DOTALL)
    assert any(pattern.search(text) for text in texts())
