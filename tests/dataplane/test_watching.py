import time
from pathlib import Path

import pytest

from dataplane.watching import watched
from models.spec.progress import Advanced, Report


def test_parts_count_once_their_files_are_written(tmp_path: Path) -> None:
    reports: list[Report] = []
    parts = {tmp_path / "made" / "a": 30, tmp_path / "made" / "b": 10}
    with watched(reports.append, parts, "rows"):
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "a").touch()
        (tmp_path / "made" / "other").touch()
        until = time.monotonic() + 60
        while Advanced(30, 40, "rows") not in reports and time.monotonic() < until:
            time.sleep(0.05)
    assert reports[0] == Advanced(0, 40, "rows")
    assert Advanced(30, 40, "rows") in reports
    assert reports[-1] == Advanced(40, 40, "rows")


def test_work_that_fails_is_not_reported_as_done(tmp_path: Path) -> None:
    reports: list[Report] = []
    parts = {tmp_path / "a": 1, tmp_path / "b": 1}
    with pytest.raises(ValueError, match="broken"), watched(reports.append, parts, "rows"):
        raise ValueError("broken")
    assert Advanced(2, 2, "rows") not in reports


@pytest.mark.parametrize("sizes", [[5], [0, 0], []])
def test_nothing_is_reported_where_there_is_nothing_to_tell(tmp_path: Path, sizes: list[int]) -> None:
    reports: list[Report] = []
    parts = {tmp_path / str(number): size for number, size in enumerate(sizes)}
    with watched(reports.append, parts, "rows"):
        pass
    assert reports == []
