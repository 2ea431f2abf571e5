import re
import sys
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.diagnosis import packages

CONFIG = "schema_version: 1\nname: shop\ndata: {interactions: {format: synthetic}}\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading TensorFlow is tested in `test_packages`."""
    monkeypatch.setattr(packages, "_LOAD", 'print(\'{"gpus": 0, "cuda": false}\')')


def test_a_sound_environment_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "shop.yaml"
    config.write_text(CONFIG)
    assert main(["doctor", str(config), "--root", str(tmp_path / "runs")]) == 0
    told = capsys.readouterr().out
    for name in ("Python", "packages", "processor", "memory", "disk of --root", "Java", "credentials s3", "GPU"):
        assert name in told
    assert "has what it needs" in told
    assert told.rstrip().endswith("Nothing to fix")


def test_what_is_wrong_ends_with_3_and_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "shop.yaml"
    config.write_text(f"{CONFIG}beam: {{runner: flink, job_server_jar: gone.jar}}\n")
    (tmp_path / "file").touch()
    assert main(["doctor", str(config), "--root", str(tmp_path / "file")]) == 3
    told = capsys.readouterr().out
    assert "→ choose another --root" in told
    assert "job_server_jar: there is no file" in told
    assert told.rstrip().endswith("To fix: disk of --root, runner flink")


def test_on_a_terminal_lines_break_between_words_and_long_paths_lose_their_middle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "shop.yaml"
    config.write_text(f"{CONFIG}beam: {{runner: flink, job_server_jar: /gone/{'x' * 80}/server.jar}}\n")
    for name, value in {"COLUMNS": "60", "TERM": "xterm", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["doctor", str(config), "--root", str(tmp_path / "runs")]) == 3
    printed = re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out)  # bold
    lines = [line.rstrip() for line in printed.splitlines()]
    assert max(map(len, lines)) <= 60
    (path,) = (line for line in lines if "/gone/" in line)
    assert "x…x" in path
