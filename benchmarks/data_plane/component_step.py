"""A data step as the pipeline runs it, in a process of its own."""

from typing import Any

from pydantic import TypeAdapter

from benchmarks.data_plane.events import COLUMNS
from benchmarks.data_plane.tasks import ComponentTask, Done
from benchmarks.harness.processes import answer
from components.base import ExecutionContext, NoInputs
from dataplane.artifacts import Examples, Schema, Statistics, TransformedExamples, TransformGraph
from dataplane.beam_runner import AnyRunner, BeamConfig

_TWO_CORES: dict[str, dict[str, Any]] = {
    "multi_process": {"workers": 2},
    "flink": {"parallelism": 2, "java_options": ["-Xmx4g"]},
}


def execute(task: ComponentTask) -> Done:
    """Executes one component; each imports what it needs, as its process does in the pipeline."""
    context = ExecutionContext(beam=_beam(task), scratch=task.home / "scratch")
    {"ingestion": _ingestion, "statistics": _statistics, "transform": _transform}[task.step](task, context)
    return Done()


def _ingestion(task: ComponentTask, context: ExecutionContext) -> None:
    from components.example_gen import ExampleGen, ExampleGenParams

    source = {"format": "parquet", "path": str(task.work / "raw"), "columns": COLUMNS, "time_unit": "s"}
    example_gen = ExampleGen(ExampleGenParams.model_validate({"interactions": source}))
    example_gen.execute(NoInputs(), ExampleGen.Outputs(Examples(task.home / "examples")), context)


def _statistics(task: ComponentTask, context: ExecutionContext) -> None:
    from components.base import Params
    from components.statistics_gen import StatisticsGen

    inputs = StatisticsGen.Inputs(Examples(task.home / "examples"))
    outputs = StatisticsGen.Outputs(Statistics(task.home / "statistics"))
    StatisticsGen(Params()).execute(inputs, outputs, context)


def _transform(task: ComponentTask, context: ExecutionContext) -> None:
    from components.transform import Transform, TransformParams

    params = {"split": {"method": "leave_last_n"}, "features": {"context": {"device": {"type": "categorical"}}}}
    Transform(TransformParams.model_validate(params)).execute(
        Transform.Inputs(Examples(task.home / "examples"), Schema(task.home / "schema")),
        Transform.Outputs(TransformGraph(task.home / "graph"), TransformedExamples(task.home / "transformed")),
        context,
    )


def _beam(task: ComponentTask) -> BeamConfig:
    settings = {"runner": task.runner, **_TWO_CORES.get(task.runner, {})}
    if task.runner == "flink":
        settings["job_server_jar"] = task.job_server_jar
    beam: BeamConfig = TypeAdapter[BeamConfig](AnyRunner).validate_python(settings)
    beam.check()
    return beam


if __name__ == "__main__":
    answer(ComponentTask, execute)
