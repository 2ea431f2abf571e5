"""Lets pipelines run in notebooks as they do in scripts."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def as_in_scripts() -> Iterator[None]:
    """Hides the notebook from Beam inside the block.

    In IPython, Beam tracks the pipelines of cells, although these here belong to none. The tracking imports Beam's data
    frames, which fail with pandas 3, and leaves temporary directories behind.
    """
    from apache_beam import pipeline
    from apache_beam.utils import interactive_utils

    before = interactive_utils.is_in_ipython
    interactive_utils.is_in_ipython = pipeline.is_in_ipython = _no
    try:
        yield
    finally:
        interactive_utils.is_in_ipython = pipeline.is_in_ipython = before


def _no() -> bool:
    return False
