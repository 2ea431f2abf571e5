"""No circle of files: whoever reads one need not have read another that needs it. Imports for types count as well."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

from tests.paths import PROJECT

PACKAGES = ("tfrs_pipeline", "pipeline", "components", "serving", "dataplane", "models")


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


FILES = {module_of(file): file for package in PACKAGES for file in (PROJECT / package).rglob("*.py")}


def imports(module: str) -> set[str]:
    """The project's modules that a module imports, also inside functions and for types only."""
    named = set[str]()
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            named |= {name if name in FILES else node.module for name in inner}
    return (named & FILES.keys()) - {module}


def test_there_is_no_circle_of_files() -> None:
    TopologicalSorter({module: imports(module) for module in FILES}).prepare()  # raises CycleError, naming the circle
