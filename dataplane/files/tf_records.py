"""Reads TFRecord files without background threads, so an unfinished iterator cannot block the end of the process."""

from collections.abc import Iterator

import tensorflow as tf


def record_batches(file: str, *, rows: int, part: tuple[int, int] | None = None) -> Iterator[tf.Tensor]:
    """Serialised records in batches, string `[rows]`; the last batch may be shorter.

    Args:
        file: path of the file.
        rows: records per batch.
        part: range first:last+1 of the records to read; None means all.

    Raises:
        tf.errors.DataLossError: the file is damaged.
    """
    records = tf.data.TFRecordDataset(file)
    if part is not None:
        records = records.skip(part[0]).take(part[1] - part[0])
    # Autotuning starts a thread per iterator. The destructor waits for that thread, sometimes for ever.
    options = tf.data.Options()
    options.autotune.enabled = False
    yield from records.batch(rows).with_options(options)
