from pathlib import Path

import pytest

from pipeline.execution.fingerprint import code_digest, fingerprint
from tests.pipeline.toy_components import Add, AddParams, Source, SourceParams


def test_every_ingredient_changes_the_key():
    before = fingerprint(Source(SourceParams()), {}, "1")
    assert fingerprint(Source(SourceParams()), {}, "1") == before
    assert fingerprint(Source(SourceParams(number=2)), {}, "1") != before
    assert fingerprint(Source(SourceParams()), {}, "2") != before
    add = Add(AddParams())
    assert fingerprint(add, {"examples": "a"}, "") != fingerprint(add, {"examples": "b"}, "")


CODE = {
    "__init__": "",
    "top": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from models import types\n"
    'def run():\n    """Runs."""\n    from models.inner import value\n',
    "inner": "from models import leaf\nvalue = leaf.value\n",
    "leaf": "value = 1\n",
    "types": "value = 1\n",
    "unrelated": "value = 1\n",
}


def digest(directory: Path, **changed: str) -> str:
    """Digest of `models.top` in a project with this code."""
    (directory / "models").mkdir(parents=True)
    for name, source in (CODE | changed).items():
        (directory / "models" / f"{name}.py").write_text(source)
    return code_digest("models.top", directory)


@pytest.mark.parametrize(
    ("module", "source", "changes"),
    [
        ("leaf", "value = 2\n", True),
        ("inner", "value = 1\n", True),
        ("__init__", "value = 1\n", True),
        ("unrelated", "value = 2\n", False),
        ("types", "value = 2\n", False),
        ("leaf", "# One.\nvalue  =  1\n", False),
        ("top", CODE["top"].replace("Runs.", "Does it."), False),
        ("top", CODE["top"].replace("if TYPE_CHECKING", "if True"), True),
        ("top", CODE["top"] + "if TYPE_CHECKING:\n    pass\nelse:\n    value = 1\n", True),
    ],
)
def test_code_counts_with_all_it_imports_and_nothing_else(
    tmp_path: Path, module: str, source: str, changes: bool
) -> None:
    assert (digest(tmp_path / "changed", **{module: source}) != digest(tmp_path / "before")) == changes
