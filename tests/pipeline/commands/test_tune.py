"""`tune` finds what is better, remembers what it tried, and writes a configuration that can be run."""

import re
import signal
import subprocess
import sys
import time

import pytest
import yaml

from pipeline.cli import main
from pipeline.config.config import load_config

optuna = pytest.importorskip("optuna")
from optuna.storages import JournalStorage  # noqa: E402
from optuna.storages.journal import JournalFileBackend  # noqa: E402

CONFIG = {
    "schema_version": 1,
    "name": "tuned",
    "data": {"interactions": {"format": "synthetic", "queries": 150, "candidates": 60, "topics": 4}},
    "model": {"embedding_dim": 8, "query_tower": {"layers": []}, "temperature": 0.1},
    "training": {"batch_size": 256, "max_epochs": 2},
    "recommendations": None,
    "tuning": {
        "trials": 2,
        "startup_trials": 1,
        "space": {
            "training.learning_rate": {"low": 1.0e-7, "high": 0.05, "log": True},
            "model.query_tower.layers": [[], [8]],
        },
    },
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tune")
    (directory / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    return directory


def tune(place, *options: str) -> int:
    return main(["tune", str(place / "config.yaml"), "--root", str(place / "runs"), *options])


def trials(text: str) -> list[str]:
    return re.findall(r" tuned Tuner: (trial \d+): ", text)


def test_a_study_goes_on_and_ends_with_its_best_configuration(place, capsys):
    assert tune(place, "--set", "training.patience=3") == 0
    told = capsys.readouterr()
    assert trials(told.err) == ["trial 0", "trial 1"]
    assert "Tuner: trial 0, 1 of 2: " in told.err
    assert tune(place, "--set", "training.patience=3") == 0
    assert trials(capsys.readouterr().err) == [], "all that were asked for are done"
    assert tune(place, "--set", "training.patience=3", "--set", "tuning.trials=3") == 0
    told = capsys.readouterr()
    assert trials(told.err) == ["trial 2"]
    file = place / "runs" / "tuned" / "tuning" / "best.yaml"
    assert f"python -m pipeline run {file} --root {place / 'runs'}" in told.out
    best = load_config(place / "runs" / "tuned" / "tuning" / "best.yaml")
    assert best.training.patience == 3
    assert 1e-7 <= best.training.learning_rate <= 0.05
    assert list(best.model.query_tower.layers) in ([], [8])
    assert best.training.batch_size == 256
    assert not list((place / "runs" / "tuned" / "tuning").glob("trial-*"))


def study_of(place):
    """The last study that was begun."""
    storage = JournalStorage(JournalFileBackend(str(place / "runs" / "tuned" / "tuning" / "study.journal")))
    return optuna.load_study(study_name=optuna.get_all_study_names(storage)[-1], storage=storage)


def test_a_trial_below_the_median_is_cut_short(place, capsys):
    options = ("--set", "training.patience=4", "--set", "tuning.trials=1")
    assert tune(place, *options) == 0
    study = study_of(place)
    first = study.trials[0]
    perfect = dict.fromkeys(first.intermediate_values, 1.0)
    for _ in range(2):
        study.add_trial(
            optuna.trial.create_trial(
                params=first.params, distributions=first.distributions, value=1.0, intermediate_values=perfect
            )
        )
    capsys.readouterr()
    assert tune(place, *options[:-1], "tuning.trials=4") == 0
    assert "pruned" in capsys.readouterr().err
    pruned = study_of(place).trials[-1]
    assert pruned.state.name == "PRUNED"
    assert len(pruned.intermediate_values) == 1, "at its first validation"


def test_a_study_goes_on_after_it_was_killed_in_a_trial(place, capsys):
    options = ("--set", "training.patience=6")
    command = [sys.executable, "-m", "pipeline", "tune", str(place / "config.yaml"), "--root", str(place / "runs")]
    directory = place / "runs" / "tuned" / "tuning"
    with (place / "printed").open("w") as printed:
        process = subprocess.Popen([*command, *options], stdout=printed, stderr=printed)
    until = time.monotonic() + 120
    while not (directory / "trial-0.scratch").exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL, (place / "printed").read_text()
    assert tune(place, *options) == 0
    assert trials(capsys.readouterr().err) == ["trial 1"], "of the two asked for, one was killed"
    killed, again = study_of(place).trials
    assert killed.state.name == "FAIL"
    assert again.params == killed.params
    assert not list(directory.glob("trial-*"))


def test_a_study_whose_trainings_all_diverge_fails(place, capsys):
    options = ("--set", "training.patience=7", "--set", "tuning.space={training.learning_rate: [1.0e+30, 1.0e+31]}")
    assert tune(place, *options) == 3
    told = capsys.readouterr()
    assert told.err.lower().count("lower training.learning_rate") == 2, "both trials say what helps"
    assert "error: no trial finished" in told.err
    assert "once the reason above is dealt with, continue with: python -m pipeline tune" in told.err


def test_an_error_that_nobody_foresaw_ends_as_in_a_run(place, capsys, monkeypatch):
    monkeypatch.setattr("pipeline.tuning.Tuner.run", lambda tuner: 1 / 0)
    assert tune(place, "--set", "training.patience=3") == 1
    told = capsys.readouterr().err
    assert "error: ZeroDivisionError: division by zero (" in told
    assert "Traceback" not in told
    assert told.strip().splitlines()[-1].endswith("--set=training.patience=3")
    log = max((place / "runs" / "tuned" / "runs").glob("*.log")).read_text()
    assert "Traceback (most recent call last)" in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_study_that_is_told_to_stop_ends_in_order(place, number):
    options = ("--set", f"training.patience={number + 100}", "--set", "training.max_epochs=100")
    command = [sys.executable, "-m", "pipeline", "tune", str(place / "config.yaml"), "--root", str(place / "runs")]
    directory = place / "runs" / "tuned" / "tuning"
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until = time.monotonic() + 240
    while not list(directory.glob("trial-*/unfinished/*/state.json")) and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(number)
    told, _ = process.communicate(timeout=120)
    assert process.returncode == 3, told
    assert told.strip().splitlines()[-2] == "error: interrupted"
    assert (
        told.strip()
        .splitlines()[-1]
        .startswith("Finished work is kept; the same command continues: python -m pipeline tune ")
    )
    assert not list(directory.glob("trial-*"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("tuning=null", "no section 'tuning'"),
        ("tuning.space={data.max_bad_fraction: [0, 1]}", "cannot be tuned"),
        ("tuning.space={training.metric: [recall@10, ndcg@10]}", "cannot be tuned"),
        ("tuning.space={model.temperature: {low: 0.3, high: 0.1}}", "below"),
    ],
)
def test_what_cannot_be_tuned_is_refused(place, capsys, change, message):
    assert tune(place, "--set", change) == 2
    assert message in capsys.readouterr().err
