from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.execution import fingerprint
from tests.pipeline.provenance.world import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A toy pipeline that has run once; its code is taken from a copy."""
    monkeypatch.setattr(fingerprint, "_PACKAGES", (*fingerprint._PACKAGES, "tests"))
    found = World(tmp_path)
    monkeypatch.setattr(fingerprint, "PROJECT", found.code)
    found.run()
    yield found
    fingerprint.code_digests.cache_clear()
    fingerprint.library_versions.cache_clear()
