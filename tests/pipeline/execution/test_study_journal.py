"""A study goes on with what can be read of its journal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

optuna = pytest.importorskip("optuna")

from pipeline.execution.study_journal import open_journal  # noqa: E402

TRIALS = 4


def study(file: Path, tell: Callable[[str], None]) -> Any:
    storage = open_journal(file, tell)
    return optuna.create_study(storage=storage, study_name="s", direction="maximize", load_if_exists=True)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    file = tmp_path / "study.journal"
    begun = study(file, print)
    for value in range(TRIALS):
        trial = begun.ask({"rate": optuna.distributions.FloatDistribution(0, 1)})
        begun.tell(trial, float(value))
    return file


def test_an_intact_journal_is_taken_as_it_is(journal, capsys):
    assert len(study(journal, print).trials) == TRIALS
    assert capsys.readouterr().out == ""


DAMAGES = {
    "empty": lambda old: b"",
    "cut within a line": lambda old: old[:-10],
    "the last line break is gone": lambda old: old[:-1],
    "binary": lambda old: bytes(range(256)) * 10,
    "a list": lambda old: b"[]\n" + old,
    "deep": lambda old: old + b"[" * 200_000 + b"\n",
    "a byte in the middle": lambda old: old[: len(old) // 2] + b"\x00" + old[len(old) // 2 + 1 :],
    "records that mean nothing": lambda old: old + b'{"a": 1}\n',
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_what_cannot_be_read_is_told_and_the_study_goes_on(journal, kind):
    journal.write_bytes(DAMAGES[kind](journal.read_bytes()))
    damaged = journal.read_bytes()
    told: list[str] = []
    again = study(journal, told.append)
    for _ in range(2):
        again.tell(again.ask(), 1.0)
    assert len(study(journal, told.append).trials) == len(again.trials)
    assert len(told) == (1 if damaged else 0)
    if damaged:
        assert str(journal) in told[0]
        assert journal.with_name("study.journal.unreadable").read_bytes() == damaged


def test_a_journal_cut_in_its_last_line_loses_no_earlier_trial(journal):
    journal.write_bytes(journal.read_bytes()[:-1])
    told: list[str] = []
    assert len(study(journal, told.append).trials) == TRIALS
    assert len(told) == 1
