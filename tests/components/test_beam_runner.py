from collections.abc import Iterator
from typing import Literal

import apache_beam as beam
import pytest

from components.beam_runner import BeamConfig
from components.errors import DataError


class Refuse(beam.DoFn):
    def process(self, row: int) -> Iterator[int]:
        if row < 0:
            raise DataError(f"ratings.csv:\nrow {row} is broken")
        yield 1 // row


@pytest.mark.parametrize("runner", ["in_process", "multi_process"])
def test_errors_in_a_step_arrive_as_they_were_raised(runner: Literal["in_process", "multi_process"]) -> None:
    with pytest.raises(DataError) as caught, BeamConfig(runner=runner).pipeline() as pipeline:
        _ = pipeline | beam.Create([-1]) | beam.ParDo(Refuse())
    assert str(caught.value) == "ratings.csv:\nrow -1 is broken"


def test_errors_nobody_foresaw_stay_what_they_are() -> None:
    with pytest.raises(ZeroDivisionError), BeamConfig().pipeline() as pipeline:
        _ = pipeline | beam.Create([0]) | beam.ParDo(Refuse())
