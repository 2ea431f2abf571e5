from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.execution.fingerprint import Ingredients, code_digests
from tests.pipeline.toy_components import Add, AddParams

INGREDIENTS = Ingredients.of(Add(AddParams()), {"examples": "a"}, {"file": "1"})


def test_equal_ingredients_give_an_equal_key():
    assert Ingredients.of(Add(AddParams()), {"examples": "a"}, {"file": "1"}).key == INGREDIENTS.key


@pytest.mark.parametrize(
    "change",
    [
        {"component": "Subtract"},
        {"params": {"amount": 2, "crash": None}},
        {"inputs": {"examples": "b"}},
        {"external": {"file": "2"}},
        {"external": {"other": "1"}},
        {"code": {"components/base.py": "1"}},
        {"libraries": {"python": "3.10"}},
    ],
)
def test_every_ingredient_changes_the_key(change):
    assert replace(INGREDIENTS, **change).key != INGREDIENTS.key


CODE = {
    "__init__": "",
    "top": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from models import types\n"
    'def run():\n    """Runs."""\n    from models.inner import value\n',
    "inner": "from models import leaf\nvalue = leaf.value\n",
    "leaf": "value = 1\n",
    "types": "value = 1\n",
    "unrelated": "value = 1\n",
}


def digests(directory: Path, **changed: str) -> Mapping[str, str]:
    """Digests of `models.top` in a project with this code."""
    (directory / "models").mkdir(parents=True)
    for name, source in (CODE | changed).items():
        (directory / "models" / f"{name}.py").write_text(source)
    return code_digests("models.top", directory)


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
    before, after = digests(tmp_path / "before"), digests(tmp_path / "changed", **{module: source})
    assert (before != after) == changes
