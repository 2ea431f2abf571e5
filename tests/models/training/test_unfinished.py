"""The state of an interrupted training detects its own damage."""

from pathlib import Path

import pytest

from models.training.unfinished import damage, read_sealed, write_sealed
from tests.components.damage import DAMAGES

STATE = {"step": 7, "curve": [{"loss": 0.1, "recall@10": 1 / 3}], "text": "größer"}


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    for name in ("step-7.index", "step-7.data-00000-of-00001"):
        (tmp_path / name).write_bytes(name.encode() * 100)
    write_sealed(tmp_path / "state.json", STATE, tmp_path.glob("step-*"))
    return tmp_path / "state.json"


def test_an_undamaged_state_is_read_as_written(sealed):
    assert damage(sealed) == ""
    assert read_sealed(sealed) == STATE
    (sealed.parent / "step-8.index").write_text("a checkpoint whose state was never written")
    assert damage(sealed) == ""


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("name", ["state.json", "step-7.index", "step-7.data-00000-of-00001"])
def test_damage_of_any_file_is_found(sealed, name, kind):
    DAMAGES[kind](sealed.parent / name)
    assert damage(sealed).startswith(name)


@pytest.mark.parametrize(
    "content", ["", "[]", "null", "{}", '{"content": 1, "files": [], "digest": ""}', "[" * 100_000, "\udcff", "7"]
)
def test_a_state_of_any_other_content_is_damaged(sealed, content):
    sealed.write_bytes(content.encode(errors="surrogateescape"))
    assert damage(sealed) == "state.json has changed since it was written"


@pytest.mark.parametrize("position", range(0, 200, 7))
def test_a_change_of_any_byte_is_found(sealed, position):
    content = bytearray(sealed.read_bytes())
    content[position % len(content)] ^= 1
    sealed.write_bytes(content)
    assert damage(sealed)
