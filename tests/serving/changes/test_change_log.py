"""The log of candidates' changes: what was acknowledged is there, after a crash too."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dataplane.artifacts.identity import Identity
from dataplane.errors import RefusedError
from serving.changes.change_log import Change, ChangeLog, SealedError

IDENTITY: Identity = {"towers": "t", "candidates": 3}
ADDED = Change("é 1", {"candidate_id": "é 1", "price": 2.5}, {"country": ["nl"], "year": None})
REMOVED = Change("b", None)

WRITER = """
import sys
from pathlib import Path
from serving.changes.change_log import Change, ChangeLog

directory, name, batches = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
log = ChangeLog(directory, 7, {"towers": "t", "candidates": 3})
for number in range(batches):
    log.append([Change(f"{name} {number} {part}", {"text": "x" * 500}) for part in range(3)])
    print(number, flush=True)
"""


def log(directory: Path) -> ChangeLog:
    return ChangeLog(directory, 7, IDENTITY)


def writer(directory: Path, name: str, batches: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(directory), name, str(batches)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_readers_find_what_was_added_and_go_on_where_they_were(tmp_path: Path) -> None:
    assert log(tmp_path / "logs").read().changes == []
    first = log(tmp_path / "logs")
    first.append([ADDED, REMOVED])
    found = log(tmp_path / "logs").read()
    assert found.changes == [ADDED, REMOVED]
    log(tmp_path / "logs").append([Change("c", None)])
    first.append([Change("d", None)])
    later = log(tmp_path / "logs").read(found.end)
    assert [change.candidate for change in later.changes] == ["c", "d"]


def test_a_torn_line_is_passed_over_and_cut_off_wherever_it_ends(tmp_path: Path) -> None:
    log(tmp_path).append([ADDED])
    file = log(tmp_path).file
    before = file.read_bytes()
    log(tmp_path).append([REMOVED])
    line = file.read_bytes()[len(before) :]
    for torn in (line[:end] for end in (0, 1, 8, 9, 20, len(line) - 2, len(line) - 1)):
        file.write_bytes(before + torn)
        assert log(tmp_path).read().changes == [ADDED]
        log(tmp_path).append([Change("c", None)])
        assert [change.candidate for change in log(tmp_path).read().changes] == ["é 1", "c"]
    for end in (
        0,
        5,
        40,
        before.index(b"\n") + 1,
        before.index(b"\n") + 30,
        len(before) - 1,
    ):  # the first line and the first batch are written together
        file.write_bytes(before[:end])
        assert log(tmp_path).read().changes == []
        log(tmp_path).append([ADDED])
        assert file.read_bytes() == before


def test_damage_before_a_good_line_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    for change in (ADDED, REMOVED):
        log(tmp_path).append([change])
    file = log(tmp_path).file
    content = file.read_bytes().replace(b"2.5", b"2.6")
    file.write_bytes(content)
    with pytest.raises(RefusedError, match="is damaged at byte"):
        log(tmp_path).read()
    with pytest.raises(RefusedError, match="is damaged at byte"):
        log(tmp_path).append([REMOVED])
    assert file.read_bytes() == content


def test_changes_made_for_another_model_are_refused(tmp_path: Path) -> None:
    log(tmp_path).append([ADDED])
    other = ChangeLog(tmp_path, 7, {"towers": "other", "candidates": 3})
    with pytest.raises(RefusedError, match="made for another model than version 7"):
        other.read()
    with pytest.raises(RefusedError, match="made for another model"):
        other.append([REMOVED])


def test_nothing_is_added_to_a_sealed_log(tmp_path: Path) -> None:
    open_log = log(tmp_path)
    open_log.append([ADDED])
    log(tmp_path).seal(8)
    for closed in (open_log, log(tmp_path)):
        with pytest.raises(SealedError):
            closed.append([REMOVED])
    assert (log(tmp_path).read().changes, log(tmp_path).read().sealed_by) == ([ADDED], 8)


def test_two_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [writer(tmp_path, name, 10) for name in ("a", "b")]
    assert [process.wait(600) for process in writers] == [0, 0]
    found = [change.candidate for change in log(tmp_path).read().changes]
    assert sorted(found) == sorted(
        f"{name} {number} {part}" for name in "ab" for number in range(10) for part in range(3)
    )


@pytest.mark.parametrize("seconds", [0.002, 0.03])
def test_a_killed_writer_loses_nothing_that_it_acknowledged(tmp_path: Path, seconds: float) -> None:
    process = writer(tmp_path, "a", 100_000)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    told = [0, *map(int, process.stdout.read().split())]
    process.wait()
    log(tmp_path).append([REMOVED])
    *found, last = log(tmp_path).read().changes
    batches = len(told)
    assert last == REMOVED
    assert len(found) in (3 * batches, 3 * batches + 3)
    assert [change.candidate for change in found[::3]] == [f"a {number} 0" for number in range(len(found) // 3)]


def test_a_full_disk_is_told_and_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    log(tmp_path).append([ADDED])
    before = log(tmp_path).file.read_bytes()
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (len_before + 600, len_before + 600))\n" + WRITER
    ).replace("len_before", str(len(before)))
    command = [sys.executable, "-c", script, str(tmp_path), "a", "1"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert "RunError: no candidate was changed" in ended.stderr
    assert log(tmp_path).file.read_bytes() == before
