"""Digests by which models are told apart: equal for equal models, in whatever process they were trained."""

from pathlib import Path

import tensorflow as tf

from dataplane.errors import RefusedError
from models.saved_models.content import content_digest, has_configuration
from serving.model.descriptions import CONTENT, directory_digest


def part_digest(part: Path) -> str:
    """Digest of towers or preprocessing: of weights, vocabularies and configuration.

    What an older release made tells no configuration; its digest is of its files, as it was then.

    Args:
        part: the SavedModel.

    Raises:
        RefusedError: its files are damaged.
    """
    try:
        return CONTENT + content_digest(part) if has_configuration(part) else directory_digest(part)
    except (OSError, tf.errors.OpError) as error:
        first = str(error).partition("\n")[0][:200]
        raise RefusedError(f"{part} is damaged ({first}): the files have changed, run the pipeline again") from error
