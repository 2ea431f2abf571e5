"""What components get in tests."""

from typing import Any

from components.base import ExecutionContext
from dataplane.beam_runner import InProcess


def in_process(**settings: Any) -> ExecutionContext:
    """A context whose data steps run in this process.

    Args:
        settings: of `ExecutionContext`.
    """
    return ExecutionContext(**{"beam": InProcess()} | settings)
