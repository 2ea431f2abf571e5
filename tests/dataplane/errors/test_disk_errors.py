"""Errors of the file system are known, whoever raised them; other errors are not taken for them."""

import errno
import os
import pickle
import signal
from typing import Any

import pyarrow as pa
import pytest
import tensorflow as tf

from components.trainer import separate_process as training_process
from dataplane.beam_runner.failures import as_raised
from dataplane.errors import RunError
from dataplane.errors.disk_errors import disk_error

FULL = "No space left on device"


def raised_from(error: Exception) -> Exception:
    try:
        raise RuntimeError("the export failed") from error
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, FULL, "/a/b"), f"[Errno 28] {FULL}: '/a/b'"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "[Errno 122] Disk quota exceeded"),
        (OSError("400000 requested and 22496 written"), "400000 requested and 22496 written"),
        (PermissionError(), "PermissionError"),
        (tf.errors.ResourceExhaustedError(None, None, f"/a/step-62; {FULL}"), f"/a/step-62; {FULL}"),
        (tf.errors.UnknownError(None, None, f"{{{{function_node __wrapped__SaveV2}}}} /a; {FULL}"), f"/a; {FULL}"),
        (tf.errors.UnknownError(None, None, "/a/r; Disk quota exceeded"), "/a/r; Disk quota exceeded"),
        (tf.errors.InternalError(None, None, "/a/r; Input/output error"), "/a/r; Input/output error"),
        (tf.errors.FailedPreconditionError(None, None, "/a; Read-only file system"), "/a; Read-only file system"),
        (tf.errors.OutOfRangeError(None, None, "/a/r; File too large"), "/a/r; File too large"),
        (pa.ArrowException(f"writing: {FULL}"), f"writing: {FULL}"),
        (RuntimeError(f"Traceback\n  File x\nOSError: {FULL} [while running 'Write']"), f"OSError: {FULL} [while"),
        (raised_from(OSError(errno.ENOSPC, FULL)), f"[Errno 28] {FULL}"),
        (raised_from(raised_from(tf.errors.UnknownError(None, None, f"/x; {FULL}"))), f"/x; {FULL}"),
    ],
)
def test_what_the_file_system_said_is_found(error, told):
    assert disk_error(error).startswith(told)


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[1000000000]"),
        tf.errors.InvalidArgumentError(None, None, "Incompatible shapes"),
        KeyError("x"),
        ValueError("a space is left"),
        RuntimeError(),
    ],
)
def test_other_errors_are_left_alone(error):
    assert disk_error(error) is None


def test_an_error_while_another_one_was_handled_is_not_taken_for_that_one():
    bug = KeyError("a bug")
    bug.__context__ = FileNotFoundError(errno.ENOENT, "No such file", "cache")
    assert disk_error(bug) is None


def test_a_long_message_keeps_its_path_and_its_reason():
    path = "/" + "directory/" * 200
    told = disk_error(tf.errors.UnknownError(None, None, f"{path}; {FULL} [Op:SaveV2]"))
    assert told is not None
    assert told.startswith("/directory/")
    assert f"{FULL} [Op:SaveV2]" in told
    assert len(told) < 320


@pytest.mark.parametrize("kind", ["tensorflow.ResourceExhaustedError", "Traceback (most recent call last)"])
def test_a_full_disk_in_a_beam_worker_is_no_broken_runner(kind):
    with pytest.raises(OSError, match=FULL), as_raised():
        raise RuntimeError(f"{kind}: /a/b; {FULL} [while running 'ParDo(Encode)-ptransform-12']")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, FULL, "/a"), OSError),
        (tf.errors.ResourceExhaustedError(None, None, f"/a; {FULL}"), OSError),
        (tf.errors.UnavailableError(None, None, "connection reset"), RunError),
    ],
)
def test_a_training_apart_tells_a_full_disk_from_a_lost_worker(monkeypatch, error, kind):
    class Sender:
        def send(self, message: tuple[str, object]) -> None:
            self.sent = pickle.loads(pickle.dumps(message))

    def fails(**arguments: object) -> None:
        raise error

    from components.trainer import executor as training

    monkeypatch.setattr(training, "train", fails)
    # This process is the parent's stand-in for the other: it goes on after the test.
    monkeypatch.setattr(training_process, "end_with_parent", lambda parent: None)
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    sender: Any = Sender()
    training_process._train(sender, {}, os.getpid())
    what, sent = sender.sent
    assert (what, type(sent)) == ("failed", kind)
    assert os.strerror(errno.ENOSPC) in str(sent) or kind is RunError
