"""Changes of candidates go on to the next version, or are in its catalogue."""

import subprocess
import sys
from pathlib import Path

import pytest

from serving.changes.carry_over import CarriedOver, carry_over
from serving.changes.change_log import Change, ChangeLog

OLD, NEW = {"towers": "old"}, {"towers": "new"}


def added(name: str, price: float = 1.0) -> Change:
    return Change(name, {"candidate_id": name, "price": price}, {"country": ["nl"], "year": None})


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Changes of version 1, of which the new catalogue has some, and of version 2, made before they were carried."""
    ChangeLog(tmp_path, 1, OLD).append([added("taken"), added("late"), added("twice"), Change("gone", None)])
    ChangeLog(tmp_path, 1, OLD).append([Change("stays", None), added("later"), added("undone"), Change("undone", None)])
    ChangeLog(tmp_path, 2, NEW).append([added("later", 9.0)])
    return tmp_path


CATALOGUE = {"taken", "stays", "other"}


def in_force(directory: Path) -> dict[str, Change]:
    return {change.candidate: change for change in ChangeLog(directory, 2, NEW).read().changes}


def test_what_the_new_catalogue_lacks_stays_in_force_and_is_told(logs: Path) -> None:
    carried = carry_over(logs, 2, NEW, lambda: CATALOGUE)
    assert carried == CarriedOver(taken_in=4, added=("late", "twice"), removed=("stays",))
    assert in_force(logs) == {
        "late": added("late"),
        "twice": added("twice"),
        "stays": Change("stays", None),
        "later": added("later", 9.0),
    }
    assert "2 added candidates are not, and stay: late, twice" in str(carried)
    assert "1 removed candidates are, and stay removed: stays" in str(carried)
    assert ChangeLog(logs, 1, OLD).read().sealed_by == 2
    before = ChangeLog(logs, 2, NEW).file.read_bytes()
    assert carry_over(logs, 2, NEW, lambda: CATALOGUE) is None
    assert ChangeLog(logs, 2, NEW).file.read_bytes() == before


def test_nothing_is_done_without_changes_of_older_versions(tmp_path: Path) -> None:
    assert carry_over(tmp_path / "none", 2, NEW, lambda: CATALOGUE) is None
    ChangeLog(tmp_path, 2, NEW).append([added("a")])
    assert carry_over(tmp_path, 2, NEW, lambda: CATALOGUE) is None


@pytest.mark.parametrize("point", ["append_locked", "seal"])
def test_what_a_killed_process_left_is_completed(logs: Path, point: str) -> None:
    script = f"""
import os, signal, sys
from pathlib import Path
from serving.changes import carry_over, change_log

change_log.ChangeLog.{point} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
carry_over.carry_over(Path(sys.argv[1]), 2, {{"towers": "new"}}, lambda: {sorted(CATALOGUE)!r})
"""
    assert subprocess.run([sys.executable, "-c", script, str(logs)]).returncode == -9
    assert carry_over(logs, 2, NEW, lambda: CATALOGUE) is not None
    assert set(in_force(logs)) == {"late", "twice", "stays", "later"}
    assert in_force(logs)["later"] == added("later", 9.0)
    assert ChangeLog(logs, 1, OLD).read().sealed_by == 2
