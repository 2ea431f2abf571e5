"""Drafts a configuration for files that nobody has described; used by the command `init` only."""
