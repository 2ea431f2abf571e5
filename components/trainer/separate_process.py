"""Trains in a separate process, because TensorFlow must join a cluster before it does anything else."""

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
    """Runs `components.trainer.executor.train` with the same arguments in a separate process.

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
        raise RunError("the training process was killed; repeat the command to continue from its last state") from None
    finally:
        process.terminate()
        process.join()


def _train(sender: Connection, arguments: dict[str, Any], parent: int) -> None:
    end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and ends this process

    import tensorflow as tf

    from components.trainer.executor import train

    try:
        sender.send(("done", train(**arguments, progress=lambda report: sender.send(("report", report)))))
    except (PipelineError, ValueError) as error:
        sender.send(("failed", error))
    except (OSError, tf.errors.OpError) as error:  # TensorFlow's errors cannot be pickled
        disk_message = disk_error(error)
        lost = f"another worker was lost; repeat the commands of all workers to continue: {error}"
        sender.send(("failed", RunError(lost) if disk_message is None else OSError(disk_message)))
    except Exception as error:  # an unforeseen error may not be picklable either
        picklable = RuntimeError(f"{type(error).__name__}: {error}")
        picklable.add_note(traceback.format_exc())
        sender.send(("failed", picklable))
