"""The border between the program and its user, on the command line and in Python."""

from collections.abc import Iterator
from contextlib import contextmanager

from dataplane.errors import PipelineError, RunError
from dataplane.errors.credentials import redacted
from dataplane.errors.disk_errors import disk_error


@contextmanager
def errors_for_users() -> Iterator[None]:
    """Takes credentials out of the messages of errors, and turns file-system errors into `RunError`.

    Raises:
        PipelineError: the error of the block, of the same class.
    """
    try:
        yield
    except PipelineError as error:
        raise type(error)(redacted(str(error))) from error.__cause__
    except Exception as error:
        if (reason := disk_error(error)) is None:
            raise
        raise RunError(f"file-system error: {redacted(reason)}") from error
