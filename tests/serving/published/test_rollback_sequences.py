"""Sequences of pushes, rollbacks and kills, against what a simple account of them says."""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dataplane.errors import ConfigError, RefusedError
from serving.model.version_digests import check_version
from serving.published.publishing import Publisher
from tests.components.damage import DAMAGES
from tests.components.pusher.pushes import save_pair
from tests.serving.published.kills import Killed, killed_after, repeated_until_done

pytestmark = pytest.mark.usefixtures("no_waiting_for_the_disk")


class Histories(RuleBasedStateMachine):
    """The same commands in two directories: in one they are never killed, in the other they are and are repeated."""

    def __init__(self) -> None:
        super().__init__()
        self.scratch = TemporaryDirectory()
        path = Path(self.scratch.name)
        self.models = {name: save_pair(path / name, name) for name in "ABCD"}
        self.calm, self.shaken = (Publisher(path / name, "toy") for name in ("calm", "shaken"))
        self.targets: list[str] = []

    def teardown(self) -> None:
        self.scratch.cleanup()

    def both(self, act: Callable[[Publisher], Any], changes: int) -> Any:
        result, failure = None, None
        try:
            result = act(self.calm)
        except (ConfigError, RefusedError) as error:
            failure = type(error)
        if failure is None:
            repeated_until_done(lambda: act(self.shaken), changes)
        else:
            with pytest.raises(failure):
                act(self.shaken)
        return result

    @rule(name=st.sampled_from("ABCD"), changes=st.integers(0, 60))
    def push(self, name: str, changes: int) -> None:
        pair = self.models[name].path
        before = self.listing(self.calm)
        pushed = self.both(lambda it: it.publish(exact=pair / "exact", scann=pair / "scann", keep_versions=6), changes)
        newest = self.calm.versions()[-1].identity
        if pushed is not None and pushed.withdrawn:
            assert name in before[-1][3], "only what the newest rollback withdrew is kept out"
        elif pushed is not None:
            assert newest == {"towers": name}

    @rule(changes=st.integers(0, 60))
    def rollback(self, changes: int) -> None:
        before = self.calm.versions()
        result = self.both(lambda it: it.rollback(None, keep_versions=6), changes)
        if result is None:
            return
        target = self.calm.versions()[-1]
        assert target.identity != before[-1].identity
        of = next(found for found in before if target.rollback and found.version == target.rollback.of)
        later = [found.rollback for found in before if found.rollback and found.version > of.version]
        assert all(of.identity not in record.withdrawn for record in later), "never what was rolled back from"

    @precondition(lambda self: len(self.calm.versions()) > 1)
    @rule(place=st.integers(0, 5), changes=st.integers(0, 60))
    def rollback_to(self, place: int, changes: int) -> None:
        place %= len(self.calm.versions())
        named = {it: it.versions()[place] for it in (self.calm, self.shaken)}
        self.both(lambda it: it.rollback(named[it].version, keep_versions=6), changes)

    @precondition(lambda self: bool(self.calm.versions()))
    @rule(
        place=st.integers(0, 5),
        model=st.sampled_from(("toy", "toy-scann")),
        file=st.sampled_from(("saved_model.pb", "assets.extra/model.json", "assets.extra/digests.json")),
        damage=st.sampled_from(sorted(DAMAGES)),
    )
    def harm(self, place: int, model: str, file: str, damage: str) -> None:
        for publisher in (self.calm, self.shaken):
            versions = publisher.versions()
            found = Path(publisher.directory) / model / str(versions[place % len(versions)].version) / file
            if found.exists() and found.stat().st_size > 1:
                DAMAGES[damage](found)

    def listing(self, publisher: Publisher) -> list[tuple[Any, ...]]:
        """Versions with their numbers replaced by places."""
        there = publisher.versions()
        numbers = [found.version for found in there]
        return [
            (
                found.identity and found.identity["towers"],
                found.complete,
                found.rollback and (found.rollback.of in numbers and numbers.index(found.rollback.of)),
                tuple(sorted(one["towers"] for one in (found.rollback.withdrawn if found.rollback else ()))),
                bool(publisher.damage(found.version)),
            )
            for found in there
        ]

    @invariant()
    def kills_leave_no_trace(self) -> None:
        assert self.listing(self.shaken) == self.listing(self.calm)
        assert all(found.complete for found in self.calm.versions())


Histories.TestCase.settings = settings(
    max_examples=12, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
TestHistories = Histories.TestCase


def rolled_back(publisher: Publisher, changes: int | None, keep: int) -> None:
    with killed_after(changes):
        publisher.rollback(None, keep_versions=keep)


@pytest.mark.parametrize("keep", [1, 2])
def test_a_rollback_killed_at_any_change_is_repeated_to_the_same_end(tmp_path: Path, keep: int) -> None:
    ends: set[str] = set()
    for changes in range(0, 300, 3):
        publisher = Publisher(tmp_path / str(changes), "toy")
        for name in "ABC":
            pair = save_pair(tmp_path / str(changes) / "models" / name, name).path
            publisher.publish(exact=pair / "exact", scann=pair / "scann", keep_versions=3)
        try:
            rolled_back(publisher, changes, keep)
        except Killed:
            rolled_back(publisher, None, keep)
        else:
            break
        there = publisher.versions()
        assert [path.name for path in (tmp_path / str(changes) / ".toy").iterdir()] == ["lock"]
        assert not any(check_version(path) for path in (tmp_path / str(changes)).glob("toy*/[0-9]*"))
        ends.add(json.dumps([(found.identity, found.complete, bool(found.rollback)) for found in there]))
    assert changes > 20
    expected = [({"towers": "C"}, True, False), ({"towers": "B"}, True, True)]
    assert ends == {json.dumps(expected[-keep:])}
