"""Cache keys: a step is done if its inputs, parameters, code and libraries have been seen together before.

The code of a step is the source of its component's module and of every module of this project it imports,
directly or not, inside functions too. Nothing has to be declared, so nothing can be forgotten.
"""

import ast
import hashlib
import importlib.metadata
import importlib.util
import json
import platform
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from components.base import Component

_PACKAGES = ("components", "serving", "dataplane", "models")
_LIBRARIES = (
    "apache-beam", "numpy", "pyarrow", "scann", "scipy", "tensorflow", "tensorflow-datasets",
    "tensorflow-recommenders", "tf-keras",
)  # fmt: skip


def fingerprint(component: Component, inputs: Mapping[str, str]) -> str:
    """The cache key of a step, 64 hexadecimal digits.

    Args:
        component: the component with its parameters.
        inputs: fingerprint of the execution that produced each input, with the output's name.
    """
    key = {
        "component": type(component).__name__,
        "params": component.params.model_dump(mode="json"),
        "inputs": dict(inputs),
        "external": component.external_fingerprint(),
        "code": code_digest(type(component).__module__),
        "libraries": library_versions(),
    }
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


@cache
def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in _LIBRARIES}


@cache
def code_digest(module: str) -> str:
    """Digest over the sources of `module` and of all modules of this project it needs."""
    digest = hashlib.sha256()
    for name, source in sorted(_closure(module).items()):
        digest.update(f"{name}\0{len(source)}\0".encode() + source)
    return digest.hexdigest()


def _closure(module: str) -> dict[str, bytes]:
    sources: dict[str, bytes] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = _source_file(name)
        if name in sources or file is None:
            continue
        sources[name] = file.read_bytes()
        waiting += [name.rpartition(".")[0], *_imports(sources[name])]
    return sources


def _imports(source: bytes) -> Iterator[str]:
    for statement in ast.walk(ast.parse(source)):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            # What is imported from a package may itself be a module.
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)
            yield statement.module


@cache
def _source_file(module: str) -> Path | None:
    if module.partition(".")[0] not in _PACKAGES:
        return None
    root = importlib.util.find_spec(module.partition(".")[0])
    if root is None or root.origin is None:
        return None
    base = Path(root.origin).parent.parent.joinpath(*module.split("."))
    candidates = (base / "__init__.py", base.with_suffix(".py"))
    return next((file for file in candidates if file.is_file()), None)
