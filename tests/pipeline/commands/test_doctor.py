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
