"""Column names of shuffled events."""

import pyarrow as pa

from models.spec.features import QUERY_ID, TIMESTAMP

CONTEXT_PREFIX = "context."
"""Prefix of the source names of context columns in shuffled events."""


def context_columns(events: pa.Table) -> pa.Table:
    """The raw context columns of events under their source names."""
    columns = {
        name.removeprefix(CONTEXT_PREFIX): events[name]
        for name in events.column_names
        if name.startswith(CONTEXT_PREFIX)
    }
    if TIMESTAMP in events.column_names:
        columns[TIMESTAMP] = events[TIMESTAMP].cast(pa.timestamp("us", "UTC"))
    if "query" in events.column_names:
        columns[QUERY_ID] = events["query"]
    return pa.table(columns)
