"""Drafts as text, for tests that read them."""

from collections.abc import Sequence

from pipeline.drafting.infer import infer_draft


def draft_config(paths: Sequence[str], name: str = "") -> str:
    """What `init` would print for some files."""
    return infer_draft(paths, name).text()
