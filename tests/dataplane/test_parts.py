"""Parts of results that later executions use again."""

import os
import signal
from pathlib import Path

import pytest

from dataplane.parts import Parts, link


def add(parts: Parts, key: str, text: str = "rows") -> None:
    with parts.adding(key, {"rows": 1}) as directory:
        (directory / "rows.txt").write_text(text)


def test_a_part_is_found_with_what_is_known_about_it(tmp_path: Path) -> None:
    add(Parts(tmp_path), "k")
    again = Parts(tmp_path)
    assert again.find("other") is None
    part = again.find("k")
    assert part is not None
    assert (part.about, (part.path / "rows.txt").read_text()) == ({"rows": 1}, "rows")
    assert again.used == {"k"}
    assert [each.key for each in again.every()] == ["k"]


def test_parts_can_be_made_anew(tmp_path: Path) -> None:
    add(Parts(tmp_path), "k")
    anew = Parts(tmp_path, reuses=False)
    assert anew.find("k") is None
    add(anew, "k", "new")
    found = anew.find("k")
    assert found is not None
    assert (found.path / "rows.txt").read_text() == "new"


def test_a_key_depends_on_the_code_and_on_every_ingredient(tmp_path: Path) -> None:
    keys = {
        Parts(tmp_path).key(files=["a"]),
        Parts(tmp_path, "other code").key(files=["a"]),
        Parts(tmp_path).key(files=["b"]),
        Parts(tmp_path).key(files=["a"], plan="x"),
    }
    assert len(keys) == 4
    assert Parts(tmp_path / "elsewhere").key(files=["a"]) in keys


@pytest.mark.parametrize("damage", ["changed", "missing", "no manifest"])
def test_a_damaged_part_is_missing_and_can_be_made_again(tmp_path: Path, damage: str) -> None:
    told: list[str] = []
    parts = Parts(tmp_path, warn=told.append)
    add(parts, "k")
    file = tmp_path / "k" / "rows.txt"
    match damage:
        case "changed":
            file.write_text("ROWS")
        case "missing":
            file.unlink()
        case _:
            (tmp_path / "k" / "part.json").unlink()
    assert parts.find("k") is None
    assert len(told) == (0 if damage == "no manifest" else 1)
    add(parts, "k", "new")
    found = parts.find("k")
    assert found is not None
    assert (found.path / "rows.txt").read_text() == "new"


def test_a_failed_part_leaves_nothing(tmp_path: Path) -> None:
    parts = Parts(tmp_path)

    def fail() -> None:
        with parts.adding("k", {}) as directory:
            (directory / "rows.txt").write_text("half")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert list(tmp_path.iterdir()) == []
    assert parts.used == set()


def test_a_killed_process_leaves_no_part(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        with Parts(tmp_path).adding("k", {}) as directory:
            (directory / "rows.txt").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert [path.name[:3] for path in tmp_path.iterdir()] == [".k."]
    assert Parts(tmp_path).find("k") is None
    assert list(Parts(tmp_path).every()) == []


def test_a_link_is_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("rows")
    link(tmp_path / "a", tmp_path / "below" / "b")
    assert (tmp_path / "a").samefile(tmp_path / "below" / "b")


def test_a_file_system_without_links_gets_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "not permitted")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a").write_text("rows")
    link(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "rows"
    assert not (tmp_path / "a").samefile(tmp_path / "b")
