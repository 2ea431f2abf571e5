"""Pipelines in notebooks do without Beam's interactive environment."""

import sys

import pytest

from dataplane.beam_runner import InProcess


def test_a_pipeline_in_a_notebook_imports_nothing_interactive(monkeypatch: pytest.MonkeyPatch) -> None:
    import apache_beam as beam
    from apache_beam.utils import interactive_utils

    pytest.importorskip("IPython", reason="needs the extra 'notebook', which `make test.docs` installs")
    monkeypatch.setattr("IPython.get_ipython", lambda: object())
    assert interactive_utils.is_in_ipython()
    with InProcess().pipeline() as pipeline:
        _ = pipeline | beam.Create([1]) | beam.Map(lambda number: number + 1)
    assert "apache_beam.runners.interactive.interactive_environment" not in sys.modules
    assert interactive_utils.is_in_ipython()
