"""Tells people how a run ended: by a webhook or by a command."""
