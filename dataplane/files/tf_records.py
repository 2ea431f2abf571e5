"""Records of a TFRecord file, read without threads: an iterator that is still alive when the process ends has none."""

from collections.abc import Iterator

import tensorflow as tf


def record_batches(file: str, *, rows: int, part: tuple[int, int] | None = None) -> Iterator[tf.Tensor]:
    """Serialised records in batches, string `[rows]`, the last one shorter.

    Args:
        file: the file.
        rows: records of a batch.
        part: first and last + 1 of the records to read; all if absent.

    Raises:
        tf.errors.DataLossError: the file is damaged.
    """
    records = tf.data.TFRecordDataset(file)
    if part is not None:
        records = records.skip(part[0]).take(part[1] - part[0])
    # With autotuning each iterator has a thread of its own, which its destructor waits for, now and then for ever.
    options = tf.data.Options()
    options.autotune.enabled = False
    yield from records.batch(rows).with_options(options)
