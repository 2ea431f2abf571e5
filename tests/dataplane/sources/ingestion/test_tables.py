"""Tables are complete or refused, whatever a Beam runner claims."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apache_beam as beam
import pytest

from components.example_gen import ExampleGen
from dataplane.beam_runner import InProcess
from tests.components.source_runs import Run, csv
from tests.contexts import in_process


def test_a_runner_that_leaves_pieces_unread_is_detected(tmp_path: Path) -> None:
    started = []

    class Forgetful(InProcess):
        """Inspects types, and then claims to have read the rows."""

        @contextmanager
        def pipeline(self) -> Iterator[beam.Pipeline]:
            started.append(self)
            if len(started) == 1:
                with super().pipeline() as pipeline:
                    yield pipeline
            else:
                yield beam.Pipeline()

    run = Run(tmp_path)
    run.write("events.csv", "u,i\na,x\nb,y\n")
    context = in_process(scratch=tmp_path / "scratch", beam=Forgetful())
    with pytest.raises(AssertionError, match=r"nobody read piece 0 of interactions, events\.csv"):
        run.component(interactions=csv()).execute(ExampleGen.Inputs(), ExampleGen.Outputs(run.examples), context)
    assert len(started) == 2
    assert not (run.examples.path / "summary.json").exists()
