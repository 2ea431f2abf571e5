"""Drafts configurations that `validate` accepts."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from dataplane.errors import ConfigError
from pipeline.config.config import load_config
from pipeline.drafting.infer import infer_draft
from pipeline.drafting.writing import Draft


def checked_draft(files: Sequence[str], name: str = "") -> Draft:
    """Looks at files and drafts a configuration for them.

    Args:
        files: delimited text, Parquet or JSON files, directories of files, or globs.
        name: name of the pipeline; taken from the files if empty.

    Raises:
        ConfigError: no configuration fits the files.
    """
    draft = infer_draft(files, name)
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "draft.yaml"
        file.write_text(draft.text(), encoding="utf-8")
        load_config(file)
    return draft


def write_draft(files: Sequence[str], output: Path) -> None:
    """Drafts a configuration into a new file, whose name becomes the pipeline's name.

    Raises:
        ConfigError: the file exists or cannot be written, or no configuration fits the files.
    """
    if output.exists():
        raise ConfigError(f"{output} exists already; remove it or choose another name")
    draft = checked_draft(files, output.stem)
    try:
        output.write_text(draft.text(written_to=output), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error.strerror}") from None
