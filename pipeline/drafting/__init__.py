"""Drafts a configuration for undescribed files; only the command `init` uses it."""
