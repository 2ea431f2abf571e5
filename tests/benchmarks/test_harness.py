import json
import sys

import pytest

from benchmarks.harness import Goal, finish, measured, parser


def test_a_process_is_measured_with_its_children():
    child = "x = bytearray(100 << 20); import time; time.sleep(0.3); sum(range(5_000_000))"
    parent = f"import subprocess, sys; y = bytearray(100 << 20); subprocess.run([sys.executable, '-c', {child!r}])"
    timeline: list[tuple[float, float]] = []
    own = bytearray(b"\1" * (500 << 20))  # the memory of who measures is not that of what is measured
    usage = measured([sys.executable, "-c", parent], timeline=timeline)
    assert 200 < usage.peak_mib < 400
    assert usage.cpu_seconds > 0.05
    assert own[-1] == 1
    assert max(mib for _, mib in timeline) <= usage.peak_mib


def test_what_a_failing_process_says_is_told():
    with pytest.raises(RuntimeError, match=r"(?s)ended with 1:.*ValueError: that"):
        measured([sys.executable, "-c", "raise ValueError('that')"])


@pytest.mark.parametrize(("value", "met", "code"), [(1.0, True, 0), (3.0, False, 1), (None, None, 0)])
def test_goals_decide_the_exit_code_and_are_written(tmp_path, capsys, value, met, code):
    arguments = parser("x").parse_args(["--json", str(tmp_path / "x.json")])
    assert finish(arguments, rows=[{"what": "a", "n": 1000}], goals=[Goal.at_most("low, ≤ 2", value, 2)]) == code
    assert json.loads((tmp_path / "x.json").read_text())["goals"] == [{"goal": "low, ≤ 2", "value": value, "met": met}]
    assert "1,000" in capsys.readouterr().out
