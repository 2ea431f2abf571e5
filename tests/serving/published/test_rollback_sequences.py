"""Sequences of pushes, rollbacks and kills, against what a simple account of them says."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dataplane.artifacts.document import JsonValue
from dataplane.artifacts.identity import Identity
from dataplane.errors import ConfigError, RefusedError
from serving.model.descriptions import DESCRIPTION
from serving.model.version_digests import check_version, write_digests
from serving.published.publishing import Publisher
from serving.published.rollbacks import (
    PublishedVersion,
    RollbackRecord,
    is_same_model,
    is_withdrawn,
    rollback_targets,
    withdrawn_by,
)
from tests.components.damage import DAMAGES
from tests.components.pusher.pushes import save_pair

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir"}
_left: int | None = None  # changes of files until the process counts as killed; None: never


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the process touches a file any more, clean-up included."""


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    global _left
    if _left is None:
        return
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & 0o103  # WRONLY, RDWR or CREAT
    if event in _CHANGES or writes:
        if _left <= 0:
            raise Killed
        _left -= 1


sys.addaudithook(_hook)


@contextmanager
def killed_after(changes: int | None) -> Iterator[None]:
    global _left
    _left = changes
    try:
        yield
    finally:
        _left = None


def repeated_until_done(act: Callable[[], Any], changes: int) -> None:
    """Does something that is killed after so many changes, again and again; each time it gets further."""
    for allowed in range(changes, 10_000, 7):
        with suppress(Killed), killed_after(allowed):
            act()
            return
    raise AssertionError


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


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path / "serving", "toy")


@pytest.fixture
def push(publisher: Publisher, tmp_path: Path) -> Callable[[str], int]:
    def publish(name: str) -> int:
        path = tmp_path / name
        pair = path if path.exists() else save_pair(path, name).path
        return publisher.publish(exact=pair / "exact", scann=pair / "scann", keep_versions=9).version

    return publish


def newest(publisher: Publisher) -> str:
    identity = publisher.versions()[-1].identity
    assert identity is not None
    return str(identity["towers"])


def test_what_was_rolled_back_from_is_not_gone_back_to_after_a_new_model(
    publisher: Publisher, push: Callable[[str], int]
) -> None:
    push("A")
    bad = push("B")
    publisher.rollback(None, keep_versions=9)
    push("C")
    assert publisher.rollback(None, keep_versions=9).new
    assert newest(publisher) == "A"
    with pytest.raises(ConfigError, match=rf"no version .* has an older model.* name its version: {bad}, "):
        publisher.rollback(None, keep_versions=9)
    pushed = publisher.versions()[-1].version
    assert (push("B"), newest(publisher)) == (pushed, "A"), "both stay out of service"
    publisher.rollback(bad, keep_versions=9)
    assert newest(publisher) == "B", "by its name it comes back"


def test_a_model_published_anew_since_is_gone_back_to(publisher: Publisher, push: Callable[[str], int]) -> None:
    push("A")
    push("B")
    publisher.rollback(None, keep_versions=9)
    for name in "CBD":
        push(name)
    for expected in "BCA":
        publisher.rollback(None, keep_versions=9)
        assert newest(publisher) == expected
    with pytest.raises(ConfigError):
        publisher.rollback(None, keep_versions=9)


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


def test_a_named_rollback_whose_version_has_gone_since_is_repeated_too(
    publisher: Publisher, push: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = push("A")
    push("B")
    with monkeypatch.context() as patch:
        patch.setattr(publisher.versions_of, "tidy", lambda models, *, suffix: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            publisher.rollback(first, keep_versions=2)
    done = publisher.rollback(first, keep_versions=2)
    assert (done.new, newest(publisher)) == (False, "A")
    with pytest.raises(ConfigError, match="no complete version"):
        publisher.rollback(first, keep_versions=2)


OLD: dict[str, JsonValue] = {"towers": "1f", "preprocessing": "2e", "catalogue": "3d", "candidates": 5, "top_k": 10}
"""An identity as older releases wrote it, of files."""
NEW: dict[str, JsonValue] = {**OLD, "towers": "content:4c", "preprocessing": "content:5b"}


def test_models_of_older_releases_are_known_by_their_embeddings() -> None:
    assert is_same_model(OLD, NEW)
    assert is_same_model(NEW, OLD)
    assert not is_same_model(OLD, {**NEW, "catalogue": "other"})
    assert not is_same_model(OLD, {**NEW, "top_k": 11})
    assert not is_same_model(NEW, {**NEW, "towers": "content:other"}), "weights decide among those that tell them"
    assert not is_same_model(OLD, {**OLD, "towers": "other"})
    assert not is_same_model({"towers": "1f"}, {"towers": "content:4c"}), "nothing else to know it by"
    assert not is_same_model(None, None)


def test_a_rollback_of_an_older_release_stands_against_the_same_model_of_this_one() -> None:
    record = RollbackRecord(of=1, withdrawn=(OLD,))
    assert is_withdrawn(NEW, record)
    there = [
        PublishedVersion(1, True, {**NEW, "catalogue": "first"}, None, None),
        PublishedVersion(2, True, OLD, None, None),
        PublishedVersion(3, True, {**NEW, "catalogue": "first"}, None, record),
        PublishedVersion(4, True, {**NEW, "catalogue": "last"}, None, None),
    ]
    assert [found.version for found in rollback_targets(there)] == [3, 1]
    assert withdrawn_by(there, there[2]) == [OLD, there[3].identity]


def test_the_standing_model_of_an_older_release_published_again_leaves_the_rollback_standing(
    publisher: Publisher, tmp_path: Path
) -> None:
    def push(name: str, identity: Identity) -> bool:
        pair = save_pair(tmp_path / name, name).path
        for model in (pair / "exact", pair / "scann"):
            description = json.loads((model / DESCRIPTION).read_text()) | {"identity": identity}
            (model / DESCRIPTION).write_text(json.dumps(description))
            write_digests(model)
        return publisher.publish(exact=pair / "exact", scann=pair / "scann", keep_versions=9).withdrawn

    bad = {"catalogue": "bad"}
    push("old", OLD)
    push("old bad", {**OLD, **bad})
    publisher.rollback(None, keep_versions=9)
    assert not push("new", NEW)
    assert publisher.versions()[-1].identity == NEW
    assert push("new bad", {**NEW, **bad}), "it was rolled back from"


def test_a_record_damaged_in_both_models_is_made_again(publisher: Publisher, push: Callable[[str], int]) -> None:
    push("A")
    push("B")
    back = publisher.rollback(None, keep_versions=9)
    for path in (back.exact, back.scann):
        DAMAGES["flip"](Path(path) / "assets.extra" / "rollback.json")
    pair = Path(publisher.directory).parent / "B"
    again = publisher.publish(exact=pair / "exact", scann=pair / "scann", keep_versions=9)
    assert (again.withdrawn, again.new, newest(publisher)) == (True, True, "A"), "B does not come back by damage"
    assert "is damaged (toy: assets.extra/rollback.json has changed since it was written" in again.notes[0]
    assert not publisher.damage(again.version)
