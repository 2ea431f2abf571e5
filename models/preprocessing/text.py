"""Splits text into tokens and letter trigrams with TensorFlow operations that every server supports."""

import tensorflow as tf


def tokenize(texts: tf.Tensor) -> tf.RaggedTensor:
    """Lower-case words of each text: runs of letters, marks and digits of any script.

    Args:
        texts: UTF-8 strings `[batch]`.

    Returns:
        `[batch, words]`, ragged; an empty text has no words.
    """
    lower = tf.strings.lower(texts, encoding="utf-8")
    return tf.strings.split(tf.strings.regex_replace(lower, r"[^\p{L}\p{M}\p{N}]+", " "))


def letter_trigrams(words: tf.RaggedTensor) -> tf.RaggedTensor:
    """All trigrams of neighbouring letters in `#word#`, for each word (Huang et al. 2013).

    Args:
        words: `[batch, words]`, ragged.

    Returns:
        `[batch, trigrams]`, ragged, with repeats. For example, "cat" gives "#ca", "cat" and "at#".
    """
    letters = tf.strings.unicode_split(tf.strings.join(["#", words.flat_values, "#"]), "UTF-8")
    trigrams = tf.strings.ngrams(letters, 3, separator="")
    return words.with_values(trigrams).merge_dims(1, 2)
