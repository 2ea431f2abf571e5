"""Looks up what the records of a published model say about its queries and candidates."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataplane.errors import ConfigError, PipelineError
from pipeline.config.settings import display_column
from pipeline.execution.published import Published
from pipeline.reporting.titles import titles_if_any

_EXAMPLES = 50


def published_titles(published: Published, ids: Collection[str]) -> dict[str, str]:
    """Titles by candidate id, from the column that the newest run's `display` names, or a guessed one."""
    runs = published.store.runs()
    return titles_if_any(published.candidate_table, ids, display_column(runs[-1].settings) if runs else None)


@dataclass(frozen=True)
class PublishedLookup:
    """Looks up titles and stored queries of the version that is published now, for the page of `serve`.

    Attributes:
        root: directory of the records.
        pipeline: name of the pipeline.
        shows_queries: whether stored queries, which are data about people, are shown.
    """

    root: Path
    pipeline: str
    shows_queries: bool

    def titles(self, ids: Collection[str]) -> dict[str, str]:
        """Titles by candidate id; candidates without a title are left out."""
        try:
            return published_titles(self._published(), ids)
        except PipelineError:  # the newest version was deleted just now
            return {}

    def query_ids(self) -> list[str]:
        """Ids of the first stored queries; empty if stored queries are not shown."""
        return self._published().query_ids(_EXAMPLES) if self.shows_queries else []

    def request(self, query_id: str) -> dict[str, Any]:
        """The features and the history of a stored query.

        Raises:
            ConfigError: the query is unknown, or stored queries are not shown.
            RunError: the records between the model and its data are missing.
        """
        if not self.shows_queries:
            raise ConfigError("stored queries are only shown by a server that listens on the loopback")
        return self._published().stored_request(query_id)

    def _published(self) -> Published:
        return Published.newest(self.root, self.pipeline)
