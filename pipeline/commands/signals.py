"""How commands that run steps are told to stop."""

import signal


def stop_on_sigterm() -> None:
    """Has a scheduler's stop, SIGTERM, end the command as Ctrl-C does: what is under way ends in order, exit code 3."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
