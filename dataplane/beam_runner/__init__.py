"""Which Beam runner executes the data steps, by name, and how a pipeline for it is made.

The runner is always named explicitly: Beam's default `DirectRunner` switches between implementations and one
of them is downloaded at run time, so the in-process runner here is `FnApiRunner`.

On every runner the steps read and write files below the pipeline's root, so all workers must see that directory, and
the source data, under the same path: they run on this machine, or share a POSIX file system with it.
"""

from typing import Annotated

from pydantic import Field

from dataplane.beam_runner.base import BeamConfig
from dataplane.beam_runner.dataflow import Dataflow
from dataplane.beam_runner.flink import Flink
from dataplane.beam_runner.local import InProcess, MultiProcess
from dataplane.beam_runner.spark import Spark

__all__ = ["AnyRunner", "BeamConfig", "Dataflow", "Flink", "InProcess", "MultiProcess", "Spark"]

AnyRunner = Annotated[InProcess | MultiProcess | Flink | Spark | Dataflow, Field(discriminator="runner")]
"""The configuration of one of the runners, told apart by `runner`."""
