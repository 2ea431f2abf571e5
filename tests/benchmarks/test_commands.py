"""Each benchmark as its users run it: the options, and a quick run."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = ("bulk_inference", "data_plane", "quality", "retrieval", "serving", "stream", "training")
HEAVY = ("tensorflow", "apache_beam", "pyarrow", "scipy", "faiss")


def quick_run(directory: Path, name: str, *options: str) -> dict[str, Any]:
    """The report of a quick run that ends well."""
    file = directory / "report.json"
    command = [sys.executable, "-m", f"benchmarks.{name}", *options, "--quick", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:] + done.stdout
    report: dict[str, Any] = json.loads(file.read_text())
    assert set(report) == {"goals", "rows"}
    for goal in report["goals"]:
        assert set(goal) == {"goal", "value", "met"}
        assert isinstance(goal["value"], float)
    return report


@pytest.mark.parametrize("name", BENCHMARKS)
def test_help_loads_nothing_heavy(name: str) -> None:
    code = f"""
import runpy, sys
sys.argv = ["{name}", "--help"]
try:
    runpy.run_module("benchmarks.{name}", run_name="__main__")
finally:
    print([module for module in {HEAVY} if module in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"python -m benchmarks.{name}" in done.stdout
    assert "--quick" in done.stdout
    assert "--json FILE" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("training", ["--parts", "evaluation"]),
        pytest.param("training", ["--parts", "steps", "vocabulary"], marks=pytest.mark.benchmark),
        pytest.param("bulk_inference", [], marks=pytest.mark.benchmark),
        pytest.param("data_plane", ["--end-to-end", "20000"], marks=pytest.mark.benchmark),
        pytest.param("data_plane", ["--spans", "20000"], marks=pytest.mark.benchmark),
        pytest.param("quality", ["--work", "work"], marks=pytest.mark.benchmark),
        pytest.param("retrieval", [], marks=pytest.mark.benchmark),
        pytest.param("retrieval", ["--memory"], marks=pytest.mark.benchmark),
        pytest.param("retrieval", ["--filters"], marks=pytest.mark.benchmark),
        pytest.param("serving", [], marks=pytest.mark.benchmark),
        pytest.param("stream", [], marks=pytest.mark.benchmark),
    ],
)
def test_a_quick_run_meets_its_goals(tmp_path: Path, name: str, options: list[str]) -> None:
    if name == "retrieval":
        pytest.importorskip("faiss")
        pytest.importorskip("hnswlib")
    paths = [str(tmp_path / option) if option == "work" else option for option in options]
    report = quick_run(tmp_path, name, *paths)
    assert report["rows"]
    assert all(goal["met"] for goal in report["goals"])


def test_a_beam_runner_that_cannot_start_is_skipped_with_the_reason(tmp_path: Path) -> None:
    missing = str(tmp_path / "no.jar")
    report = quick_run(tmp_path, "data_plane", "--runner", "flink", "--job-server-jar", missing)
    assert [goal["met"] for goal in report["goals"]] == [True]
    rows = report["rows"]
    assert [row["contestant"] for row in rows] == [
        *["in_process"] * 3, "flink", *["polars"] * 3, *["per element"] * 3
    ]  # fmt: skip
    assert missing in rows[3]["skipped"]
    assert all(("seconds" in row) != ("skipped" in row) for row in rows)
