"""Runs from Python: the words of the command line as exceptions, and a process that is left as it was."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfrs_pipeline as tp
from pipeline.cli import main
from pipeline.config.config import PipelineConfig
from tests.paths import PROJECT
from tests.pipeline.reporting.small_run import Runs

CONFIG = """
schema_version: 1
name: tiny
data: {interactions: {format: synthetic, queries: 30, candidates: 24, events_per_query: 5}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.yaml"
    file.write_text(CONFIG, encoding="utf-8")
    return file


def ingest(config: Path, only: str = "ExampleGen", **options: Any) -> tp.Run:
    """Runs the first step."""
    return tp.run(config, root=config.parent / "runs", only=only, show="quiet", **options)


def test_the_import_is_light() -> None:
    heavy = ("tensorflow", "apache_beam", "pyarrow", "pandas", "pydantic", "rich", "jinja2", "numpy")
    script = f"import sys, tfrs_pipeline; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=PROJECT)
    assert done.stdout == "[]\n"


def test_what_is_done_is_taken_from_the_cache(config: Path) -> None:
    first = ingest(config)
    assert (first.state, first.steps["state"]) == ("done", ["run"])
    second = ingest(config, only="StatisticsGen")
    assert second.steps["state"] == ["cached", "run"]
    assert second.artifact("ExampleGen") == first.artifact("ExampleGen")
    assert [run.id for run in tp.runs(config.parent / "runs", "tiny")] == [first.id, second.id]
    assert tp.load(config.parent / "runs", "tiny", first.id).id == first.id


@pytest.mark.parametrize(
    ("overrides", "queries"),
    [
        ({"data": {"interactions": {"queries": 31}}}, 31),
        ({"data.interactions.queries": np.int64(32)}, 32),
        ({"data": {"interactions.queries": 33}}, None),
    ],
)
def test_overrides_are_nested_or_dotted(config: Path, overrides: dict[str, Any], queries: int | None) -> None:
    if queries is None:
        with pytest.raises(tp.ConfigError, match=r"data\.interactions\.queries: unknown key"):
            ingest(config, **overrides)
    else:
        settings = ingest(config, **overrides).settings
        assert settings["data"]["interactions"]["queries"] == queries
        assert settings["data"]["interactions"]["candidates"] == 24


def test_an_override_that_no_file_can_say_is_refused(config: Path) -> None:
    with pytest.raises(tp.ConfigError, match="override training: a set is not a value of a configuration"):
        ingest(config, training={"batch_size": {1, 2}})


def test_no_option_hides_a_key_of_the_configuration() -> None:
    options = {name for name, it in signature(tp.run).parameters.items() if it.kind is Parameter.KEYWORD_ONLY}
    keys = {field.alias or name for name, field in PipelineConfig.model_fields.items()} | set(
        PipelineConfig.model_fields
    )
    assert options & (keys | {"extends"}) == set()


@pytest.mark.parametrize(
    ("options", "command"),
    [
        ({"training": {"batch_size": 1}}, ["--set", 'training={"batch_size": 1}']),
        ({"start": "Nothing"}, ["--from", "Nothing"]),
        ({"data": {"interactions": {"format": "csv", "path": "s3://KEY:SECRET@b/none.csv"}}}, None),
    ],
)
def test_refusals_have_the_words_of_the_command_line(
    config: Path, options: dict[str, Any], command: list[str] | None, capsys: pytest.CaptureFixture[str]
) -> None:
    root = config.parent / "runs"
    with pytest.raises(tp.ConfigError) as refusal:
        tp.run(config, root=root, **options)
    assert "SECRET" not in str(refusal.value)
    if command is not None:
        assert main(["run", str(config), "--root", str(root), *command]) == 2
        assert capsys.readouterr().err == f"error: {refusal.value}\n"


def test_failures_are_typed_and_say_how_to_go_on(config: Path) -> None:
    (config.parent / "events.csv").write_text("user,item\n" + "a,\n" * 20, encoding="utf-8")
    interactions = {"format": "csv", "path": "events.csv", "columns": {"query_id": "user", "candidate_id": "item"}}
    config.write_text(f"schema_version: 1\nname: tiny\ndata: {{interactions: {interactions}}}\n", encoding="utf-8")
    with pytest.raises(tp.DataError, match="ExampleGen failed: ") as failure:
        ingest(config)
    assert "continue with: python -m pipeline run" in str(failure.value)
    assert tp.load(config.parent / "runs").state == "failed"


def test_an_interrupt_stays_one(config: Path) -> None:
    def interrupt() -> None:
        while not any((config.parent / "runs" / "tiny" / "ExampleGen").glob("*/*/*")):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt, match="Finished work is kept; the same command continues"):
        ingest(config, data={"interactions": {"queries": 300_000}})
    assert tp.load(config.parent / "runs").state == "interrupted"


def test_the_process_is_left_as_it_was(config: Path) -> None:
    def state() -> tuple[Any, ...]:
        levels = [logging.getLogger(name).level for name in ("", "pipeline", "models")]
        return list(logging.root.handlers), levels, logging.raiseExceptions, warnings.showwarning

    stop = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        before = state()
        ingest(config)
        assert state() == before
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, stop)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    runs = Runs(tmp_path)
    for name in ("r1", "r2"):
        runs.add(name, wrote={})
    return tmp_path


@pytest.mark.parametrize(("named", "found"), [((), "r2"), (("toy",), "r2"), (("toy", "r1"), "r1")])
def test_the_newest_run_or_the_one_named_is_loaded(recorded: Path, named: tuple[str, ...], found: str) -> None:
    assert tp.load(str(recorded), *named).id == found


@pytest.mark.parametrize(
    ("named", "told"), [(("other",), "no pipeline 'other'"), (("toy", "r3"), "no run 'r3'; there is r2, r1")]
)
def test_what_was_never_run_is_not_loaded(recorded: Path, named: tuple[str, ...], told: str) -> None:
    with pytest.raises(tp.ConfigError, match=told):
        tp.load(recorded, *named)
