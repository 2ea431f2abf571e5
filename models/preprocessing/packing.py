"""Moves selected values of each row to the front of the row."""

import tensorflow as tf


def packed(
    values: tf.Tensor, cells: tf.Tensor, *, rows: tf.Tensor, width: int | tf.Tensor, padding: float
) -> tf.Tensor:
    """Equals `tf.ragged.boolean_mask(…).to_tensor(…)` with a fraction of the operations.

    For example, `values` [[0, 5], [7, 0]] with `cells` [[0, 1], [1, 0]] and width 2 give [[5, padding], [7, padding]].

    Args:
        values: `[rows, any]`.
        cells: indices of the selected values, int64 `[selected, 2]`, as `tf.where` returns them.
        rows: number of rows, int64.
        width: width of the result, `[rows, width]`; longer rows are cut.
        padding: fills the end of shorter rows.
    """
    return tf.raw_ops.RaggedTensorToTensor(
        shape=tf.stack([-1, width]),
        values=tf.gather_nd(values, cells),
        default_value=tf.constant(padding, values.dtype),
        row_partition_tensors=[rows, cells[:, 0]],
        row_partition_types=["FIRST_DIM_SIZE", "VALUE_ROWIDS"],
    )
