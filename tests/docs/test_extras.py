"""The extras that the page on installation, messages and pages name are those that there are."""

import ast
import re
from pathlib import Path

from tests.paths import PROJECT

ROOMS = ("tfrs_pipeline", "pipeline", "components", "serving", "dataplane", "models", "benchmarks", "docs", "notebooks")
PAGE = (PROJECT / "docs/installation.md").read_text(encoding="utf-8")
NAMED = re.compile(r"pip install (?:-e )?'?(?:tfrs-pipeline|\.)\[([\w,]+)\]")


def extras() -> dict[str, list[str]]:
    """What setup.py installs for each extra."""
    tree = ast.parse((PROJECT / "setup.py").read_text(encoding="utf-8"))
    (value,) = (it.value for it in ast.walk(tree) if isinstance(it, ast.keyword) and it.arg == "extras_require")
    found: dict[str, list[str]] = ast.literal_eval(value)
    return found


def files() -> list[Path]:
    found = [file for room in ROOMS for file in (PROJECT / room).rglob("*") if file.suffix in (".py", ".md", ".ipynb")]
    return [*found, *PROJECT.glob("*.md"), PROJECT / "Makefile"]


def test_the_page_has_every_extra_and_no_other() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]{10,} \| [^|]* \|$", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted(extras())


def test_every_extra_installs_something() -> None:
    assert [name for name, packages in extras().items() if not packages] == []


def test_what_is_to_be_installed_is_an_extra() -> None:
    texts = [(file, file.read_text(encoding="utf-8")) for file in files()]
    named = {(name, file.name) for file, text in texts for match in NAMED.findall(text) for name in match.split(",")}
    assert {"serving", "tune", "notebook"} <= {name for name, _ in named}
    assert [it for it in named if it[0] not in extras()] == []


def test_the_lock_has_the_extras_that_the_page_says_it_has() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    locked = set(re.findall(r"--extra (\w+)", makefile)) - {"dev"}
    told = re.search(r"installs the exact versions .* with the extras (.*) and what the tests need", PAGE, re.DOTALL)
    assert told is not None
    assert set(re.findall(r"`(\w+)`", told[1])) == locked
