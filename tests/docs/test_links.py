"""Links between the Markdown files of the project lead somewhere. MkDocs checks those between the pages of docs."""

import re
from pathlib import Path

import pytest

from tests.docs.blocks import PAGES
from tests.paths import PROJECT

FILES = sorted({*PROJECT.glob("*.md"), *PAGES})
LINK = re.compile(r"\]\((?!https?:)([^)\s#]*)(?:#([\w-]+))?\)")
PATH = re.compile(
    r"`((?:notebooks|tfx_config|docs|examples|tools|dataplane|pipeline|models|components|serving)/[\w./-]+)`"
)


def anchors(page: Path) -> set[str]:
    """Anchors of the headings of a page, as MkDocs and GitHub make them."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        given = re.search(r"\{#([\w-]+)\}", heading)
        plain = re.sub(r"[^\w\s-]", "", heading).strip().lower()
        found.add(given[1] if given else re.sub(r"\s+", "-", plain))
    return found


@pytest.mark.parametrize("page", FILES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    for name, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), name
        if anchor:
            assert anchor in anchors(target), f"{name}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_files_that_are_named_are_there(page: Path) -> None:
    named = PATH.findall(page.read_text(encoding="utf-8"))
    assert [name for name in named if not (PROJECT / name).exists()] == []
