"""One holder at a time, of a file or of a directory."""

import threading
from pathlib import Path

import pytest

from dataplane.files.locks import exclusive, try_lock


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_the_second_waits_for_the_first(tmp_path: Path, kind: str) -> None:
    path, entered = tmp_path if kind == "directory" else tmp_path / "lock", threading.Event()

    def second() -> None:
        with exclusive(path):
            entered.set()

    with exclusive(path):
        other = threading.Thread(target=second)
        other.start()
        assert not entered.wait(0.2)
    assert entered.wait(60)
    other.join()


def test_a_lock_is_tried_without_waiting(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as one, (tmp_path / "lock").open("w") as other:
        assert try_lock(one.fileno())
        assert not try_lock(other.fileno())
        one.close()
        assert try_lock(other.fileno())
