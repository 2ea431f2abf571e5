"""Losses of dual-augmented towers (DAT, Yu et al. 2021)."""

import tensorflow as tf

from models.losses.contrast import Contrast


def mimic(contrast: Contrast, *, queries: tf.Tensor, positives: tf.Tensor) -> tf.Tensor:
    """Squared distance of the augmented vectors to the other side's embeddings, which receive no gradient.

    Args:
        contrast: the embeddings.
        queries: augmented vectors of the queries, `[batch, dim]`.
        positives: augmented vectors of their positives, `[batch, dim]`.
    """
    pairs = ((queries, contrast.positives), (positives, contrast.queries))
    distances = [tf.reduce_sum(tf.square(own - tf.stop_gradient(other)), axis=1) for own, other in pairs]
    return contrast.mean(distances[0] + distances[1])


def category_alignment(vectors: tf.Tensor, categories: tf.Tensor, *, number: int) -> tf.Tensor:
    """Sum over categories of the squared Frobenius distance of their covariance to that of the largest category.

    For example, `categories` [1, 1, 2] has the largest category 1, and category 2 does not count since it has only one
    candidate, so the loss is 0.

    Args:
        vectors: embeddings of candidates, `[batch, dim]`.
        categories: category of each candidate, int32 `[batch]`; 0 means none.
        number: number of categories, including 0. Categories with fewer than two candidates do not count.
    """
    members = tf.one_hot(categories, number) * tf.cast(categories != 0, tf.float32)[:, None]
    sizes = tf.reduce_sum(members, axis=0)
    shares = members / tf.maximum(sizes, 1)
    means = tf.matmul(shares, vectors, transpose_a=True)
    # One [dim, batch] · [batch, dim] product per category.
    squares = tf.matmul(tf.transpose(shares)[:, None, :] * tf.transpose(vectors)[None], vectors[None])
    covariances = squares - means[:, :, None] * means[:, None, :]
    differences = covariances - tf.stop_gradient(covariances[tf.argmax(sizes)])
    return tf.reduce_sum(tf.where(sizes >= 2, tf.reduce_sum(tf.square(differences), axis=[1, 2]), 0.0))
