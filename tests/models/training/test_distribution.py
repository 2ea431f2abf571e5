"""Two replicas take the same steps as one: two devices of a process, or two workers connected by gRPC."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.training.distribution import build_strategy, slice_of
from tests.models.replicas import SETTINGS, WORKERS, train
from tests.models.training.test_two_tower import batches_of, chains

_SECONDS = 240
"""Seconds; on an idle machine a pair of processes takes a tenth of it."""


def start(kind: str, directory: Path, *arguments: str, cluster: dict | None = None) -> subprocess.Popen:
    directory.mkdir(exist_ok=True)
    env = os.environ | ({} if cluster is None else {"TF_CONFIG": json.dumps(cluster)})
    command = [sys.executable, "-m", "tests.models.replicas", kind, str(directory), *arguments]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(*processes: subprocess.Popen) -> list[str]:
    """Outputs of all processes, which must succeed."""
    printed = []
    try:
        for process in processes:
            printed.append(process.communicate(timeout=_SECONDS)[0])
            assert process.returncode == 0, printed[-1][-4000:]
        return printed
    finally:
        for process in processes:
            process.kill()
            process.wait()


def free_addresses(number: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return addresses


def clusters_of_two() -> list[dict]:
    """TF_CONFIG of each of two workers on this machine."""
    workers = free_addresses(2)
    return [{"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}} for index in (0, 1)]


def run_workers(directory: Path, *arguments: str) -> None:
    finish(*(start("multi_worker", directory, *arguments, cluster=cluster) for cluster in clusters_of_two()))


def assert_alike(found: Path, expected: dict[str, np.ndarray]) -> None:
    arrays = np.load(found)
    assert set(arrays) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(arrays[name], values, rtol=1e-4, atol=2e-5, err_msg=name)


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("mirrored")
    finish(start("mirrored", directory))
    return directory


@pytest.mark.parametrize("name", SETTINGS)
def test_two_devices_train_like_one(mirrored, name, tmp_path):
    assert_alike(mirrored / f"{name}-0.npz", train("none", name, tmp_path))


def test_two_workers_train_like_one_and_resume_after_both_were_killed(tmp_path):
    run_workers(tmp_path, "1")
    assert list(tmp_path.glob(f"{WORKERS}-0/unfinished/step-*.index")), "what the chief goes on from"
    assert not (tmp_path / f"{WORKERS}-1").exists(), "the other worker writes nothing"
    run_workers(tmp_path)
    expected = train("none", WORKERS, tmp_path / "alone")
    for worker in (0, 1):
        assert_alike(tmp_path / f"{WORKERS}-{worker}.npz", expected)
    assert list(tmp_path.glob(f"{WORKERS}-0/output-None/checkpoints/*.index"))
    assert not (tmp_path / f"{WORKERS}-1").exists()


@pytest.mark.parametrize("name", SETTINGS)
def test_slices_add_up_to_the_batch(name):
    settings = SETTINGS[name]
    batch = batches_of(chains(), **settings).batch(3)
    parts = [slice_of(batch, index, 3) for index in range(3)]
    for key in ("label", "weight", "known"):
        np.testing.assert_array_equal(np.concatenate([part[key] for part in parts]), batch[key])
    owners = "window" if "window" in batch else "label"
    bases = np.cumsum([0, *(len(np.unique(p[owners])) if owners == "window" else len(p["label"]) for p in parts[:-1])])
    known_row = [part["known_row"] + base for part, base in zip(parts, bases, strict=True)]
    np.testing.assert_array_equal(np.concatenate(known_row), batch["known_row"])
    if "drawn_row" in batch:
        np.testing.assert_array_equal(np.concatenate([part["drawn_row"] for part in parts]), batch["drawn_row"])


def test_a_batch_that_is_too_small_to_share_is_refused():
    batch = batches_of(chains(), loss="full_softmax", batch_size=2).batch(0)
    with pytest.raises(ValueError, match=r"raise training\.batch_size"):
        slice_of(batch, 0, 3)


def test_multi_worker_needs_tf_config(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match="TF_CONFIG"):
        build_strategy("multi_worker")
