from pathlib import Path

from dataplane.files.digests import damaged_files, digests_below, file_digest


def test_the_digest_is_that_of_the_content_alone(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"content" * 300_000)
    (tmp_path / "other").write_bytes(b"content" * 300_000)
    assert file_digest(tmp_path / "one") == file_digest(tmp_path / "other")
    assert len(file_digest(tmp_path / "one")) == 32


def test_every_kind_of_damage_is_described(tmp_path: Path) -> None:
    for name in ("whole", "flipped", "cut", "removed"):
        (tmp_path / "part" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "part" / name).write_bytes(b"0123456789")
    written = digests_below(tmp_path)
    assert damaged_files(tmp_path, written) == []
    (tmp_path / "part" / "flipped").write_bytes(b"0123456788")
    (tmp_path / "part" / "cut").write_bytes(b"01234")
    (tmp_path / "part" / "removed").unlink()
    assert damaged_files(tmp_path, written) == [
        "part/cut has changed since it was written",
        "part/flipped has changed since it was written",
        "part/removed is missing",
    ]
