"""A file that is replaced is the old one or the new one, on the disk before it has its name."""

import os
from pathlib import Path

import pytest

from models.spec.durable import replacing, write_atomically


def test_the_content_and_then_the_name_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        events.append("sync " + Path(f"/proc/self/fd/{descriptor}").readlink().name.partition(".txt.")[0])
        fsync(descriptor)

    def renamed(source: Path, target: Path) -> None:
        events.append(f"rename {Path(target).name}")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    write_atomically(tmp_path / "below" / "file.txt", "größer")
    assert events == ["sync .file", "rename file.txt", "sync below"]
    assert (tmp_path / "below" / "file.txt").read_bytes() == "größer".encode()


def test_a_block_that_fails_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    with pytest.raises(UnicodeError), replacing(file) as temporary, temporary.open("w", encoding="ascii") as half:
        half.writelines(["ne", "ü"])
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_a_block_that_writes_nothing_makes_no_file(tmp_path: Path) -> None:
    with replacing(tmp_path / "file"):
        pass
    assert not list(tmp_path.iterdir())


def test_two_writers_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with replacing(file) as first, replacing(file) as second:
        first.write_text("first")
        second.write_text("second")
    assert file.read_text() == "first", "the one that ends last"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
