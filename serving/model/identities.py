"""Digests of models: equal for equal models, in whichever process they were trained."""

from pathlib import Path

import tensorflow as tf

from dataplane.errors import RefusedError
from models.saved_models.configuration import has_configuration
from models.saved_models.content import content_digest
from serving.model.descriptions import CONTENT, directory_digest


def part_digest(part: Path) -> str:
    """Digest of the weights, vocabularies and configuration of towers or preprocessing.

    SavedModels of older releases have no configuration; their digest is of their files, as in those releases.

    Args:
        part: directory of the SavedModel.

    Raises:
        RefusedError: the files are damaged.
    """
    try:
        return CONTENT + content_digest(part) if has_configuration(part) else directory_digest(part)
    except (OSError, tf.errors.OpError) as error:
        first = str(error).partition("\n")[0][:200]
        raise RefusedError(f"{part} is damaged ({first}); run the pipeline again") from error
