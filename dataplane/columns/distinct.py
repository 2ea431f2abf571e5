"""The distinct ids of several columns."""

import pyarrow as pa


def distinct_ids(*columns: pa.ChunkedArray) -> pa.Array:
    """The distinct ids of several columns, ordered by their bytes."""
    ids = pa.chunked_array(
        [chunk.cast(pa.large_string()) for column in columns for chunk in column.chunks], pa.large_string()
    )
    distinct = ids.unique()
    return distinct.take(pa.compute.sort_indices(distinct))
