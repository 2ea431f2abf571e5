"""Cache keys: a step is cached if an earlier execution had the same inputs, parameters, code and libraries.

A step's code is its component's module and every module of this project that it imports, directly or indirectly,
including imports inside functions. Nothing has to be declared, so nothing can be forgotten. Comments, docstrings and
imports for type checkers do not count. `dataplane.errors` does not count either, because an error ends its step.
"""

import ast
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from components.base import Component

_PACKAGES = ("components", "serving", "dataplane", "models")
_ERRORS = "dataplane.errors"
_DIGITS = 32
"""Length of the digest of a module; each manifest holds about sixty of them."""
PROJECT = Path(__file__).parents[2]
_LIBRARIES = (
    "apache-beam", "numpy", "pyarrow", "scann", "scipy", "tensorflow", "tensorflow-datasets",
    "tensorflow-recommenders", "tf-keras",
)  # fmt: skip


@dataclass(frozen=True)
class Ingredients:
    """Everything that decides about the cache key of a step.

    Attributes:
        component: class name of the component.
        params: its parameters.
        inputs: for each input, the fingerprint of the execution that produced it and the output's name.
        external: digest of each external input, see `Prepared.external`.
        code: digest of each file of code, see `code_digests`.
        libraries: versions of Python and of the libraries.
    """

    component: str
    params: Mapping[str, Any]
    inputs: Mapping[str, str]
    external: Mapping[str, str]
    code: Mapping[str, str]
    libraries: Mapping[str, str]

    @classmethod
    def of(cls, component: Component, inputs: Mapping[str, str], external: Mapping[str, str]) -> "Ingredients":
        """The ingredients of a component with its parameters, with the code and the libraries of this process."""
        return cls(
            component=type(component).__name__,
            params=component.params.model_dump(mode="json"),
            inputs=dict(inputs),
            external=dict(external),
            code=code_digests(type(component).__module__, PROJECT),
            libraries=library_versions(),
        )

    @property
    def salt(self) -> str:
        """Text that changes with the code and the libraries, for keys of parts."""
        return hashlib.sha256(json.dumps([self.code, self.libraries], sort_keys=True).encode()).hexdigest()[:_DIGITS]

    @property
    def key(self) -> str:
        """The cache key, 64 hexadecimal digits."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@cache
def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in _LIBRARIES}


@cache
def code_digests(module: str, project: Path = PROJECT) -> Mapping[str, str]:
    """Digests of the code of `module` and of all modules of this project that it imports, by file.

    Args:
        module: full name of the module.
        project: the directory that holds the project's packages; the files are relative to it.
    """
    found: dict[str, str] = {}
    seen, waiting = set[str](), [module]
    while waiting:
        name = waiting.pop()
        file = _source_file(name, project)
        if name in seen or file is None or f"{name}.".startswith(f"{_ERRORS}."):
            continue
        seen.add(name)
        found[file.relative_to(project).as_posix()], imported = _read(file.read_bytes())
        waiting += [name.rpartition(".")[0], *imported]
    return dict(sorted(found.items()))


@cache
def _read(source: bytes) -> tuple[str, tuple[str, ...]]:
    """Digest of a module's code, and the names it imports."""
    code = _RunTimeCode().visit(ast.parse(source))
    return hashlib.sha256(ast.dump(code).encode()).hexdigest()[:_DIGITS], tuple(_imports(code))


class _RunTimeCode(ast.NodeTransformer):
    """Removes code without effect at run time: docstrings and code for type checkers."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Removes a string that stands as a statement of its own."""
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        """Replaces `if TYPE_CHECKING` by its `else`."""
        self.generic_visit(node)
        return node.orelse if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" else node


def _imports(code: ast.AST) -> Iterator[str]:
    for statement in ast.walk(code):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            # A name imported from a package may be a module.
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)
            yield statement.module


def _source_file(module: str, project: Path) -> Path | None:
    if module.partition(".")[0] not in _PACKAGES:
        return None
    base = project.joinpath(*module.split("."))
    candidates = (base / "__init__.py", base.with_suffix(".py"))
    return next((file for file in candidates if file.is_file()), None)
