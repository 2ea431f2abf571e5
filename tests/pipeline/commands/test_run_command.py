from pathlib import Path

import pytest

from pipeline.cli import main


def test_a_root_that_cannot_be_written_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "tiny.yaml"
    config.write_text("schema_version: 1\nname: tiny\ndata: {interactions: {format: synthetic}}\n")
    root = tmp_path / "file"
    root.write_text("not a directory")
    assert main(["run", str(config), "--root", str(root)]) == 2
    assert f"--root: cannot write to {root}" in capsys.readouterr().err
