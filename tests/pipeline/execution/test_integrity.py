"""What digests are taken of, and what is said of damaged files."""

from pathlib import Path

from pipeline.execution.integrity import damages, take_digests


def test_digests_are_of_the_files_in_outputs_and_of_empty_directories(tmp_path: Path) -> None:
    (tmp_path / "model" / "variables").mkdir(parents=True)
    (tmp_path / "model" / "assets").mkdir()
    (tmp_path / "model" / "variables" / "data").write_bytes(b"1")
    (tmp_path / "manifest.json").write_text("{}")
    digests = take_digests(tmp_path, ["model"])
    assert list(digests) == ["model/assets/", "model/variables/data"]
    assert digests["model/assets/"] == ""
    assert list(damages(tmp_path, ["model"], {"model/variables/data": 1}, digests)) == []


def test_a_file_that_the_file_system_cannot_look_for_is_told(tmp_path: Path) -> None:
    (told,) = damages(tmp_path, [], {"x" * 300: 1}, {})
    assert told.endswith(" cannot be read: File name too long")
