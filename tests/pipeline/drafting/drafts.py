"""Drafts as text, for tests."""

from collections.abc import Sequence

from pipeline.drafting.infer import infer_draft


def draft_config(paths: Sequence[str], name: str = "") -> str:
    """The output of `init` for some files."""
    return infer_draft(paths, name).text()
