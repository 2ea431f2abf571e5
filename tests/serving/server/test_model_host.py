"""Which version of a model is served: new, broken, damaged and removed ones."""

import json
import os
import shutil
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

from dataplane.errors import RunError
from serving.model import warm_up
from serving.model.version_digests import write_digests
from serving.published.local_versions import LocalVersions
from serving.server.model_host import ModelHost, watch
from tests.serving.server.asking import JOINED, answers, asked


def test_a_new_version_takes_over_and_a_broken_one_does_not(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported / "exact" / "1", tmp_path / "toy" / "1")
    host = ModelHost(LocalVersions(tmp_path, "toy"), "toy", JOINED)
    old = host.current
    assert not host.refresh()
    shutil.copytree(exported / "exact" / "1", tmp_path / "toy" / "2")
    graph = tmp_path / "toy" / "2" / "saved_model.pb"
    whole = graph.read_bytes()
    graph.write_bytes(whole[:1000])
    assert not host.refresh()
    assert host.current is old
    assert [(state.version, state.state) for state in host.states] == [(2, "END"), (1, "AVAILABLE")]
    assert "it is damaged: saved_model.pb has changed since it was written" in host.states[0].error
    graph.write_bytes(whole)
    assert not host.refresh()  # not again at every look
    (tmp_path / "toy" / "2").rename(tmp_path / "toy" / "3")
    assert host.refresh()
    assert [(state.version, state.state) for state in host.states] == [(3, "AVAILABLE")]
    assert answers(old, [asked(old, [{}])])[0]  # who has the old one finishes with it
    freed, stop = weakref.ref(old), threading.Event()
    del old
    watching = threading.Thread(target=watch, args=({"toy": host},), kwargs={"seconds": 0.01, "stop": stop})
    watching.start()
    for _ in range(1000):
        if freed() is None:
            break
        time.sleep(0.01)
    stop.set()
    watching.join()
    assert freed() is None


def cut(name: str) -> Callable[[Path], object]:
    return lambda version: (version / name).write_bytes((version / name).read_bytes()[:100])


def described_as(content: str) -> Callable[[Path], object]:
    return lambda version: (version / "assets.extra" / "model.json").write_text(content)


def described_with(**changes: Any) -> Callable[[Path], None]:
    def change(version: Path) -> None:
        file = version / "assets.extra" / "model.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return change


def replaced_by_a_pipe(version: Path) -> None:
    (version / "saved_model.pb").unlink()
    os.mkfifo(version / "saved_model.pb")


def emptied(version: Path) -> None:
    shutil.rmtree(version)
    version.mkdir()


def replaced_by_a_file(version: Path) -> None:
    shutil.rmtree(version)
    version.write_text("")


def warmed_up_with(**inputs: tf.Tensor) -> Callable[[Path], None]:
    def change(version: Path) -> None:
        tensors = {name: tf.make_tensor_proto(value) for name, value in inputs.items()}
        request = predict_pb2.PredictRequest(
            model_spec=model_pb2.ModelSpec(signature_name="similar_candidates"), inputs=tensors
        )
        log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
        with tf.io.TFRecordWriter(str(version / warm_up.FILE)) as writer:
            writer.write(log.SerializeToString())

    return change


def as_if_written_so(harm: Callable[[Path], object]) -> Callable[[Path], None]:
    """A version that was published with the harm in it, so that its digests do not tell."""

    def change(version: Path) -> None:
        harm(version)
        write_digests(version)

    return change


DAMAGE: dict[str, Callable[[Path], object]] = {
    "graph is a pipe": replaced_by_a_pipe,
    "variables cut": cut("variables/variables.data-00000-of-00001"),
    "empty": emptied,
    "a file": replaced_by_a_file,
    "description gone": lambda version: (version / "assets.extra" / "model.json").unlink(),
    "warm-up cut": cut("assets.extra/tf_serving_warmup_requests"),
    "added": lambda version: (version / "assets" / "more.txt").write_text("more"),
}
STRANGE: dict[str, Callable[[Path], object]] = {
    "graph cut": cut("saved_model.pb"),
    "graph gone": lambda version: (version / "saved_model.pb").unlink(),
    "index of variables cut": cut("variables/variables.index"),
    "variables cut": cut("variables/variables.data-00000-of-00001"),
    "variables gone": lambda version: shutil.rmtree(version / "variables"),
    "description gone": lambda version: (version / "assets.extra" / "model.json").unlink(),
    "description empty": described_as(""),
    "description a list": described_as("[1, 2]"),
    "description nested": described_as('{"signatures": ' + "[" * 100_000),
    "signatures a list": described_with(signatures=[]),
    "signatures nested": described_with(signatures={"serving_default": {"inputs": {"x": []}}}),
    "no such type": described_with(signatures={"serving_default": {"inputs": {"x": {"dtype": "x", "shape": [None]}}}}),
    "no default signature": described_with(signatures={"score": {"inputs": {}}}),
    "inputs of another model": described_with(
        signatures={"serving_default": {"inputs": {"country": {"dtype": "int64", "shape": [None]}}}}
    ),
    "a signature more": described_with(
        signatures={
            name: {"inputs": {"country": {"dtype": "string", "shape": [None]}}} for name in ("serving_default", "more")
        }
    ),
    "imports a module": described_with(imports=["antigravity"]),
    "imports a text": described_with(imports="scann"),
    "imports nested": described_with(imports=[["scann"]]),
    "warm-up cut": cut("assets.extra/tf_serving_warmup_requests"),
}
HARM = [*DAMAGE.values(), *map(as_if_written_so, STRANGE.values())]


def test_whatever_a_version_is_it_is_left_aside_and_the_next_good_one_is_taken(exported: Path, tmp_path: Path) -> None:
    def publish(version: int) -> Path:
        return Path(shutil.copytree(exported / "exact" / "1", tmp_path / "toy" / str(version)))

    publish(1)
    host = ModelHost(LocalVersions(tmp_path, "toy"), "toy", JOINED)
    for number, harm in enumerate(HARM):
        harm(publish(100 + number))
        assert not host.refresh()
    reasons = {state.version: state.error for state in host.states if state.state == "END"}
    assert list(reasons) == [100 + number for number in reversed(range(len(HARM)))]
    for reason in reasons.values():
        assert 0 < len(reason) < 300
        assert str(tmp_path) not in reason
    assert "antigravity" not in sys.modules
    publish(2)
    assert host.refresh()
    assert host.current.version == 2
    assert len(host.states) == len(HARM) + 1
    publish(200)
    assert host.refresh()
    assert [(state.version, state.state) for state in host.states] == [(200, "AVAILABLE")]


def test_a_version_answers_its_warm_up_requests_before_it_takes_over(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported / "exact" / "1", tmp_path / "toy" / "1")
    host = ModelHost(LocalVersions(tmp_path, "toy"), "toy", JOINED)
    unanswerable = as_if_written_so(warmed_up_with(candidate_id=[["c00001"]]))  # of two dimensions
    unanswerable(Path(shutil.copytree(exported / "exact" / "1", tmp_path / "toy" / "2")))
    assert not host.refresh()
    assert [(state.version, state.state) for state in host.states] == [(2, "END"), (1, "AVAILABLE")]
    answerable = as_if_written_so(warmed_up_with(candidate_id=["c00001"]))
    answerable(Path(shutil.copytree(exported / "exact" / "1", tmp_path / "toy" / "3")))
    assert host.refresh()


def test_a_version_that_is_removed_makes_room_for_the_one_before(exported: Path, tmp_path: Path) -> None:
    for version in (1, 2):
        shutil.copytree(exported / "exact" / "1", tmp_path / "toy" / str(version))
    host = ModelHost(LocalVersions(tmp_path, "toy"), "toy", JOINED)
    removed = host.current
    shutil.rmtree(tmp_path / "toy" / "2")
    assert answers(removed, [asked(removed, [{"history": ["c00001"]}])])[0]
    assert host.refresh()
    assert host.current.version == 1
    shutil.rmtree(tmp_path / "toy" / "1")
    assert not host.refresh()
    assert answers(host.current, [asked(host.current, [{"history": ["c00001"]}])])[0]


def test_a_server_that_starts_beside_a_broken_version_serves_the_one_before(exported: Path, tmp_path: Path) -> None:
    for version in (1, 2):
        shutil.copytree(exported / "exact" / "1", tmp_path / "toy" / str(version))
    cut("saved_model.pb")(tmp_path / "toy" / "2")
    host = ModelHost(LocalVersions(tmp_path, "toy"), "toy", JOINED)
    assert [(state.version, state.state) for state in host.states] == [(2, "END"), (1, "AVAILABLE")]
    cut("saved_model.pb")(tmp_path / "toy" / "1")
    with pytest.raises(RunError, match=r"no version of toy in .*; the newest: version 2 cannot be loaded"):
        ModelHost(LocalVersions(tmp_path, "toy"), "toy", JOINED)


def test_looking_for_versions_survives_a_directory_that_cannot_be_read(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported / "exact" / "1", tmp_path / "toy" / "1")
    host = ModelHost(LocalVersions(tmp_path, "toy"), "toy", JOINED)
    (tmp_path / "toy").rename(tmp_path / "away")
    (tmp_path / "toy").write_text("a file")
    assert not host.refresh()
    (tmp_path / "toy").unlink()
    assert not host.refresh()
    (tmp_path / "away").rename(tmp_path / "toy")
    shutil.copytree(exported / "exact" / "1", tmp_path / "toy" / "2")
    assert host.refresh()
    assert host.current.version == 2


def test_versions_with_labels_are_held_beside_the_newest(exported: Path, tmp_path: Path) -> None:
    def publish(version: int) -> Path:
        return Path(shutil.copytree(exported / "exact" / "1", tmp_path / "toy" / str(version)))

    versions = LocalVersions(tmp_path, "toy")
    for version in (1, 2):
        publish(version)
    versions.set_label("stable", 1)
    host = ModelHost(versions, "toy", JOINED)
    stable = host.labelled["stable"]
    assert (host.current.version, stable.version, sorted(host.served)) == (2, 1, [1, 2])
    assert [(state.version, state.state) for state in host.states] == [(2, "AVAILABLE"), (1, "AVAILABLE")]
    assert not host.refresh()
    cut("saved_model.pb")(publish(3))
    versions.set_label("stable", 3)  # by another release; `promote` refuses a damaged version
    versions.set_label("gone", 77)
    assert not host.refresh()
    assert (host.labelled, host.current.version) == ({"stable": stable}, 2)  # until version 3 can be loaded
    assert next((state.version, state.state) for state in host.states) == (3, "END")
    second = host.current
    versions.set_label("stable", 2)
    shutil.rmtree(tmp_path / "toy" / "3")
    publish(4)
    assert host.refresh()
    assert (host.current.version, host.labelled) == (4, {"stable": second})  # held, not loaded again
    assert sorted(host.served) == [2, 4]
    shutil.rmtree(tmp_path / "toy" / "4")
    assert host.refresh()
    assert host.current is second
    versions.set_label("stable", None)
    host.refresh()
    assert (host.labelled, sorted(host.served)) == ({}, [2])


def test_without_a_version_there_is_nothing_to_serve(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no version of toy in"):
        ModelHost(LocalVersions(tmp_path, "toy"), "toy", JOINED)
