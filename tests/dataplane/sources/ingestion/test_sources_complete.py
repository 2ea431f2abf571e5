from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apache_beam as beam
import pytest

from components.example_gen import ExampleGen
from dataplane.beam_runner import InProcess
from tests.components.source_runs import Run, csv
from tests.contexts import in_process


class Forgetful(InProcess):
    """Ends as if all were done, but without what was told of one of the pieces."""

    scratch: Path

    @contextmanager
    def pipeline(self) -> Iterator[beam.Pipeline]:
        with super().pipeline() as pipeline:
            yield pipeline
        for report in self.scratch.glob("*/reports/interactions-00001.json"):
            report.unlink()


def test_a_piece_that_no_worker_read_is_noticed(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for name in ("a", "b"):
        run.write(f"{name}.csv", "u,i\n" + "".join(f"{name}{row},i{row % 7}\n" for row in range(50)))
    component = run.component(interactions=csv("*.csv"))
    scratch = tmp_path / "scratch"
    context = in_process(beam=Forgetful(scratch=scratch), scratch=scratch)
    with pytest.raises(AssertionError, match=r"nobody read piece 1 of interactions, .*b\.csv"):
        component.execute(ExampleGen.Inputs(), ExampleGen.Outputs(run.examples), context)
