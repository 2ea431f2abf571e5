"""The errors a user can meet, and the exit code each one ends the process with.

The room also holds how errors are told. An error ends the step that raises it, so no result depends on the room, and
no cache key follows what is in it.
"""


class PipelineError(Exception):
    """Base of all errors whose message is meant for the user, shown without a traceback."""

    exit_code = 1
    may_pass_unchanged = False
    """Whether the same command may succeed although nobody has changed data or configuration."""


class ConfigError(PipelineError):
    """The command line or the configuration asks for something impossible."""

    exit_code = 2


class RunError(PipelineError):
    """A run failed for a reason in the data or the environment that the message names."""

    exit_code = 3
    may_pass_unchanged = True


class DataError(RunError):
    """The input data cannot be used: too many bad rows, nothing left to learn from, a broken file."""

    may_pass_unchanged = False


class UnreadableDocumentError(RunError):
    """A JSON file of an artifact is missing, damaged, or of another release; the message names the file."""

    may_pass_unchanged = False


class DivergedError(RunError):
    """A training left the range of numbers; trained again on the same data, it does so again."""

    may_pass_unchanged = False


class RefusedError(RunError):
    """A gate said no: anomalies in the data, a model not blessed, a serving model that answers wrongly."""

    may_pass_unchanged = False
