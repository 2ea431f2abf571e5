"""Moves what is kept of each row to its front."""

import tensorflow as tf


def packed(
    values: tf.Tensor, places: tf.Tensor, *, rows: tf.Tensor, width: int | tf.Tensor, padding: float
) -> tf.Tensor:
    """What `tf.ragged.boolean_mask(…).to_tensor(…)` makes of each row, in a fraction of the operations.

    Args:
        values: `[rows, any]`.
        places: of those kept, int64 `[kept, 2]`, as `tf.where` gives them.
        rows: how many there are, int64.
        width: of the result, `[rows, width]`; what is over is cut off.
        padding: behind what is kept.
    """
    return tf.raw_ops.RaggedTensorToTensor(
        shape=tf.stack([-1, width]),
        values=tf.gather_nd(values, places),
        default_value=tf.constant(padding, values.dtype),
        row_partition_tensors=[rows, places[:, 0]],
        row_partition_types=["FIRST_DIM_SIZE", "VALUE_ROWIDS"],
    )
