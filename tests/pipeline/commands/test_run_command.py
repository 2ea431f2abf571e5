from pathlib import Path

import pytest

from components.example_validator import ExampleValidator
from pipeline.cli import build_parser, main
from pipeline.config.config import load_config
from pipeline.create_pipeline import create_pipeline
from tests.paths import PROJECT


def test_a_root_that_cannot_be_written_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "tiny.yaml"
    config.write_text("schema_version: 1\nname: tiny\ndata: {interactions: {format: synthetic}}\n")
    root = tmp_path / "file"
    root.write_text("not a directory")
    assert main(["run", str(config), "--root", str(root)]) == 2
    assert f"--root: cannot write to {root}" in capsys.readouterr().err


def test_anomalies_are_accepted_with_a_reason_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    given = build_parser().parse_args(["run", "mine.yaml", "--accept-anomalies", " the sale \n began"])
    assert given.accept_anomalies == "the sale began"
    with pytest.raises(SystemExit, match="2"):
        build_parser().parse_args(["run", "mine.yaml", "--accept-anomalies", " "])
    assert "a reason in words is needed" in capsys.readouterr().err
    config = load_config(PROJECT / "tfx_config" / "quickstart.yaml")
    for reason in ("", "the sale began"):
        nodes = create_pipeline(config, Path("runs"), accepted=reason).nodes
        (gate,) = (node.component for node in nodes if isinstance(node.component, ExampleValidator))
        assert gate.accepted == reason
