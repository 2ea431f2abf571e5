"""Looks up the titles of the candidates of a published model."""

from collections.abc import Collection

import pyarrow as pa

from dataplane.errors import PipelineError
from pipeline.config.settings import display_column
from pipeline.execution.published import Published
from pipeline.reporting.titles import titles_of


def published_titles(published: Published, ids: Collection[str]) -> dict[str, str]:
    """Titles by candidate id, from the column that the newest run's `display` names, or a guessed one.

    Candidates without a title are left out: all of them if the records or the table are damaged or missing, because
    answers need no titles.
    """
    runs = published.store.runs()
    try:
        return titles_of(published.candidate_table(), ids, display_column(runs[-1].settings) if runs else None)
    except (PipelineError, OSError, pa.ArrowException):
        return {}
