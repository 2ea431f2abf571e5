"""A training in a process of its own: TensorFlow takes part in a cluster only if that is the first thing it does."""

import multiprocessing
import os
import signal
import traceback
from multiprocessing.connection import Connection
from typing import Any

from dataplane.artifacts.model import TrainingReport
from dataplane.bound_process import end_with_parent
from dataplane.errors import PipelineError, RunError
from dataplane.errors.disk_errors import disk_error


def train_apart(**arguments: Any) -> TrainingReport:
    """What `components.trainer.executor.train` does, with the same arguments.

    Raises:
        PipelineError: as `components.trainer.executor.train`; `RunError` also if another worker is lost, or the process
            is killed.
    """
    progress = arguments.pop("progress")
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_train, args=(sender, arguments, os.getpid()), daemon=True)
    process.start()
    sender.close()
    try:
        while True:
            kind, value = receiver.recv()
            if kind == "failed":
                raise value
            if kind == "done":
                report: TrainingReport = value
                return report
            progress(value)
    except EOFError:
        raise RunError("the process that trained was killed; the same command goes on where it left off") from None
    finally:
        process.terminate()
        process.join()


def _train(sender: Connection, arguments: dict[str, Any], parent: int) -> None:
    end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process

    import tensorflow as tf

    from components.trainer.executor import train

    try:
        sender.send(("done", train(**arguments, progress=lambda line: sender.send(("line", line)))))
    except (PipelineError, ValueError) as error:
        sender.send(("failed", error))
    except (OSError, tf.errors.OpError) as error:  # TensorFlow's are not to be pickled
        told = disk_error(error)
        lost = f"another worker was lost; give all their commands again to go on: {error}"
        sender.send(("failed", RunError(lost) if told is None else OSError(told)))
    except Exception as error:  # nobody foresaw it, so it may not be to be pickled either
        told_there = RuntimeError(f"{type(error).__name__}: {error}")
        told_there.add_note(traceback.format_exc())
        sender.send(("failed", told_there))
