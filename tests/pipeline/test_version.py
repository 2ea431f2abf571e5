import importlib.metadata
import subprocess
import sys

import pytest

from pipeline.cli import main


def test_the_version_is_that_of_the_installed_package() -> None:
    command = [sys.executable, "-m", "pipeline", "--version"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout == f"tfrs-pipeline {importlib.metadata.version('tfrs-pipeline')}\n"
    assert answer.stderr == ""


def test_without_an_installed_package_the_version_is_refused_and_other_commands_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(SystemExit) as refused:
        main(["--version"])
    assert refused.value.code == 2
    assert "tfrs-pipeline is not installed, so its version is unknown" in capsys.readouterr().err
    with pytest.raises(SystemExit) as helped:
        main(["--help"])
    assert helped.value.code == 0
