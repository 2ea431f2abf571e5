"""The Beam runners that execute the data steps, by name.

The runner is always explicit. Beam's default `DirectRunner` switches between implementations and downloads one of them
at run time, so the in-process runner here is `FnApiRunner`.

On every runner the steps read and write files below the pipeline's root. So all workers must see the root and the
source data under the same path: they run on this machine, or share a POSIX file system with it.
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
"""The configuration of any runner; `runner` selects the type."""
