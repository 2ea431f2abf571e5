"""A disk that fills up fails the run with its path; once there is room, the same command continues."""

import itertools
import random
import subprocess

import pytest

from tests.e2e.conftest import QUICK, cli

pytestmark = pytest.mark.e2e


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 40 MB."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40m", "none", directory], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield directory
    subprocess.run(["umount", "--lazy", directory], check=True)


def fill(disk, *, leave):
    """Leaves so many bytes."""
    ballast = disk / "ballast"
    free = int(subprocess.check_output(["stat", "-f", "-c", "%a", disk])) * 4096
    ballast.write_bytes(b"\0" * (free - leave))
    return ballast


@pytest.fixture
def config(project):
    """Events whose ids cannot be compressed."""
    chance = random.Random(0)
    candidates = [f"{chance.getrandbits(128):032x}" for _ in range(50)]
    rows = [(f"{chance.getrandbits(512):0128x}", chance.sample(candidates, 4)) for _ in range(8000)]
    lines = [f"{query},{candidate},{n}\n" for query, chosen in rows for n, candidate in enumerate(chosen)]
    (project.directory / "events.csv").write_text("u,i,n\n" + "".join(lines))
    columns = {"query_id": "u", "candidate_id": "i", "order": "n"}
    source = {"format": "csv", "path": "events.csv", "columns": columns}
    return project.write_config("tight", data={"interactions": source}, **QUICK)


STEPS = ["ExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "Transform", "Trainer"]


@pytest.mark.parametrize(
    ("step", "leave"),
    [*itertools.product(["ExampleGen", "Transform"], [0, 20_000, 300_000]), ("Trainer", 100_000)],
)
def test_full_while_writing(config, small_disk, step, leave):
    root = small_disk / "runs"
    if step != "ExampleGen":
        for earlier in STEPS[: STEPS.index(step)]:
            assert cli("run", config, "--root", root, "--only", earlier).code == 0
    ballast = fill(small_disk, leave=leave)
    failed = cli("run", config, "--root", root, "--only", step)
    assert failed.code == 3, failed.err
    assert "No space left on device" in failed.err
    assert str(root) in failed.err
    if step == "Trainer":
        assert "[Op:SaveV2] (0 MiB are free in " in failed.err, "TensorFlow failed, as it wrote a checkpoint"
    ballast.unlink()
    done = cli("run", config, "--root", root, "--only", step)
    assert done.code == 0, done.err
