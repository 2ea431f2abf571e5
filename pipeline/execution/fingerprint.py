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
from functools import cache
from pathlib import Path

from components.base import Component

_PACKAGES = ("components", "serving", "dataplane", "models")
_ERRORS = "dataplane.errors"
_PROJECT = Path(__file__).parents[2]
_LIBRARIES = (
    "apache-beam", "numpy", "pyarrow", "scann", "scipy", "tensorflow", "tensorflow-datasets",
    "tensorflow-recommenders", "tf-keras",
)  # fmt: skip


def fingerprint(component: Component, inputs: Mapping[str, str], external: str) -> str:
    """The cache key of a step, 64 hexadecimal digits.

    Args:
        component: the component with its parameters.
        inputs: for each input, the fingerprint of the execution that produced it and the output's name.
        external: digest of what the step reads besides its inputs, see `Prepared.fingerprint`.
    """
    key = {
        "component": type(component).__name__,
        "params": component.params.model_dump(mode="json"),
        "inputs": dict(inputs),
        "external": external,
        "code": code_digest(type(component).__module__),
        "libraries": library_versions(),
    }
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


@cache
def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in _LIBRARIES}


@cache
def code_digest(module: str, project: Path = _PROJECT) -> str:
    """Digest of the code of `module` and of all modules of this project that it imports.

    Args:
        module: full name of the module.
        project: the directory that holds the project's packages.
    """
    digest = hashlib.sha256()
    for name, code in sorted(_closure(module, project).items()):
        digest.update(f"{name}\0{code}\n".encode())
    return digest.hexdigest()


def code_modules(module: str) -> frozenset[str]:
    """The modules of this project whose code is in `code_digest(module)`."""
    return frozenset(_closure(module, _PROJECT))


def _closure(module: str, project: Path) -> dict[str, str]:
    """Digest of each module by its name."""
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = _source_file(name, project)
        if name in found or file is None or f"{name}.".startswith(f"{_ERRORS}."):
            continue
        found[name], imported = _read(file.read_bytes())
        waiting += [name.rpartition(".")[0], *imported]
    return found


@cache
def _read(source: bytes) -> tuple[str, tuple[str, ...]]:
    """Digest of a module's code, and the names it imports."""
    code = _RunTimeCode().visit(ast.parse(source))
    return hashlib.sha256(ast.dump(code).encode()).hexdigest(), tuple(_imports(code))


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
