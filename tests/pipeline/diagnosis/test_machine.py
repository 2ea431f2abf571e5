from pathlib import Path

from pipeline.diagnosis.finding import Finding
from pipeline.diagnosis.machine import machine

FLAGS = frozenset({"avx", "fma", "avx2", "sse"})


def findings(root: Path, flags: frozenset[str] = FLAGS, limit: Path = Path("/nowhere")) -> dict[str, Finding]:
    return {found.name: found for found in machine(root, flags=flags, cgroup_limit=limit)}


def test_instructions_that_wheels_need_are_named_when_they_are_missing(tmp_path: Path) -> None:
    assert findings(tmp_path)["processor"].found.endswith("avx, fma, avx2")
    assert findings(tmp_path)["processor"].fix == ""
    assert "need fma" in findings(tmp_path, frozenset({"avx"}))["processor"].fix


def test_the_limit_of_a_container_counts(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("1073741824\n")
    memory = findings(tmp_path, limit=limit)["memory"]
    assert memory.found == "1.0 GiB of 1.0 GiB available (the container's limit)"
    assert "needs 2.0 GiB" in memory.fix
    limit.write_text("max\n")
    assert "container" not in findings(tmp_path, limit=limit)["memory"].found


def test_the_disk_of_a_root_that_is_not_there_yet_is_that_of_its_parent(tmp_path: Path) -> None:
    disk = findings(tmp_path / "not" / "yet")["disk of --root"]
    assert disk.found.endswith(f"GiB free in {tmp_path}")
    assert not (tmp_path / "not").exists()


def test_a_root_that_is_no_directory_is_to_be_mended(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    disk = findings(tmp_path / "file")["disk of --root"]
    assert disk.found == f"{tmp_path / 'file'} cannot be written"
    assert disk.fix
