"""The errors that users can see, with the exit code of each, and the wording of messages.

An error ends the step that raises it, so no result depends on this package and no cache key includes it.
"""


class PipelineError(Exception):
    """Base class of all errors whose message is for the user. They are shown without a traceback."""

    exit_code = 1
    may_pass_unchanged = False
    """Whether the same command may succeed later with the same data and configuration."""


class InternalError(PipelineError):
    """Nobody foresaw what went wrong; the message says where its traceback is."""


class ConfigError(PipelineError):
    """The command line or the configuration is invalid."""

    exit_code = 2


class RunError(PipelineError):
    """A run failed because of the data or the environment; the message names the reason."""

    exit_code = 3
    may_pass_unchanged = True


class InterruptedRunError(RunError):
    """Somebody interrupted a run; the same command continues it."""


class InUseError(RunError):
    """Another process works under the same root; this one has not begun."""


class DataError(RunError):
    """The input data cannot be used: for example too many unusable rows, no rows at all, or a broken file."""

    may_pass_unchanged = False


class UnreadableDocumentError(RunError):
    """A JSON file of an artifact is missing, damaged or from another release; the message names the file."""

    may_pass_unchanged = False


class DivergedError(RunError):
    """Training produced a loss that is not finite. Training again on the same data gives the same result."""

    may_pass_unchanged = False


class RefusedError(RunError):
    """A gate refused the data or the model: anomalies, a model without blessing, or wrong answers in serving."""

    may_pass_unchanged = False
