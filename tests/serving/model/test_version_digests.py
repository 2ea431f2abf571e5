import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dataplane.errors import RefusedError
from dataplane.files.digests import shortened
from serving.model.version_digests import (
    DIGESTS,
    PROMISE,
    check_version,
    digests_with,
    has_digests,
    require_whole,
    write_digests,
)
from tests.components.damage import DAMAGES


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A directory that looks like a SavedModel, with digests."""
    model = tmp_path / "model"
    for name, content in (
        ("saved_model.pb", "graph"),
        ("fingerprint.pb", "7"),
        ("variables/variables.index", "index"),
        ("assets/ids", "ids"),
        ("assets.extra/model.json", json.dumps({"identity": {"towers": "one"}} | PROMISE)),
        ("assets.extra/tf_serving_warmup_requests", "ask"),
    ):
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_text(content)
    write_digests(model)
    return model


def files(model: Path) -> list[str]:
    return sorted(path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file())


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_to_any_file_is_found(model: Path, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    assert (check_version(model), has_digests(model)) == ([], True)
    for name in files(model):
        copy = tmp_path / "copy"
        shutil.copytree(model, copy)
        damage(copy / name)
        assert any(name in text for text in check_version(copy)), name
        shutil.rmtree(copy)


def test_every_byte_of_the_digests_counts(model: Path) -> None:
    content = (model / DIGESTS).read_bytes()
    for place in range(len(content)):
        (model / DIGESTS).write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert check_version(model) == [f"{DIGESTS} has changed since it was written"]


def test_what_was_added_is_found_and_a_pipe_is_not_waited_for(model: Path) -> None:
    (model / "assets" / "more").touch()
    assert check_version(model) == ["assets/more was added"]
    os.mkfifo(model / "variables" / "pipe")
    assert check_version(model) == ["variables/pipe is neither a file nor a directory"]


def test_without_digests_what_is_needed_to_load_it_is_looked_for(model: Path) -> None:
    (model / DIGESTS).unlink()
    assert check_version(model) == [f"{DIGESTS} is missing"]
    (model / "assets.extra" / "model.json").write_text('{"identity": {}}')
    assert (check_version(model), has_digests(model)) == ([], False)
    (model / "assets.extra" / "model.json").write_text('{"identity": {')
    assert check_version(model) == ["assets.extra/model.json is not JSON"]
    (model / "saved_model.pb").unlink()
    assert check_version(model) == ["saved_model.pb is missing"]


def test_digests_of_a_copy_with_other_files_are_those_of_its_files(model: Path) -> None:
    extra = {Path("assets.extra/rollback.json"): b"{}", Path("fingerprint.pb"): None}
    content = digests_with(model, extra)
    (model / "assets.extra" / "rollback.json").write_bytes(b"{}")
    (model / "fingerprint.pb").unlink()
    assert check_version(model)
    write_digests(model)
    assert content == (model / DIGESTS).read_bytes()


def test_a_refusal_names_a_few_files_and_what_to_do(model: Path) -> None:
    require_whole(model, "do this")
    for name in files(model)[:4]:
        (model / name).unlink()
    write_digests(model)
    shutil.rmtree(model / "assets.extra")
    with pytest.raises(RefusedError, match=r"model is damaged: assets.extra/model.json is missing; do this"):
        require_whole(model, "do this")
    assert shortened("abcde") == "a, b, c and 2 more"
