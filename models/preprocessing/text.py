"""From text to tokens and letter trigrams, in TensorFlow operations that any server has."""

import tensorflow as tf


def tokenize(texts: tf.Tensor) -> tf.RaggedTensor:
    """Lower-case words of each text: runs of letters, marks and digits of any script.

    Args:
        texts: UTF-8 strings `[batch]`.

    Returns:
        `[batch, words]`, ragged; nothing for an empty text.
    """
    lower = tf.strings.lower(texts, encoding="utf-8")
    return tf.strings.split(tf.strings.regex_replace(lower, r"[^\p{L}\p{M}\p{N}]+", " "))


def letter_trigrams(words: tf.RaggedTensor) -> tf.RaggedTensor:
    """Every three neighbouring letters of `#word#`, word by word (Huang et al. 2013).

    Args:
        words: `[batch, words]`, ragged.

    Returns:
        `[batch, trigrams]`, ragged, repeated ones kept.
    """
    letters = tf.strings.unicode_split(tf.strings.join(["#", words.flat_values, "#"]), "UTF-8")
    trigrams = tf.strings.ngrams(letters, 3, separator="")
    return words.with_values(trigrams).merge_dims(1, 2)
