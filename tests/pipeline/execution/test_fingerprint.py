import sys

import pytest

from pipeline.execution import fingerprint as fingerprints
from pipeline.execution.fingerprint import code_digest, fingerprint
from tests.pipeline.toy_components import Add, AddParams, Source, SourceParams


def test_every_ingredient_changes_the_key(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("1")
    source = Source(SourceParams(file=outside))
    before = fingerprint(source, {})
    assert fingerprint(Source(SourceParams(file=outside)), {}) == before
    assert fingerprint(Source(SourceParams(file=outside, number=2)), {}) != before
    outside.write_text("2")
    assert fingerprint(source, {}) != before
    add = Add(AddParams())
    assert fingerprint(add, {"examples": "a"}) != fingerprint(add, {"examples": "b"})


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A package `models` of its own, whose files a test may change."""
    package = tmp_path / "models"
    package.mkdir()
    for name, source in {
        "__init__": "",
        "top": "def run():\n    from models.inner import value\n",
        "inner": "from models import leaf\nvalue = leaf.value\n",
        "leaf": "value = 1\n",
        "unrelated": "value = 2\n",
    }.items():
        (package / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "models"]:
        monkeypatch.delitem(sys.modules, name)
    yield package
    _forget()


def _forget():
    code_digest.cache_clear()
    fingerprints._source_file.cache_clear()


def _digest():
    _forget()
    return code_digest("models.top")


def test_code_counts_with_all_it_imports_and_nothing_else(project):
    before = _digest()
    (project / "unrelated.py").write_text("value = 3\n")
    assert _digest() == before
    (project / "leaf.py").write_text("value = 3\n")
    assert _digest() != before
