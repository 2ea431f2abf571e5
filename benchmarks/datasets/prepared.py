"""Data sets after Transform, made by the pipeline's own components: one split and one encoding for all methods."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks.datasets import DatasetName
from benchmarks.datasets.sources import SOURCES, settings
from components.base import ExecutionContext, NoInputs, Params
from components.example_gen import ExampleGen
from components.schema_gen import SchemaGen
from components.statistics_gen import StatisticsGen
from components.transform import Transform, TransformParams
from dataplane.artifacts import Examples, Schema, Statistics, TransformedExamples, TransformGraph
from pipeline.config.config import PipelineConfig, load_config


@dataclass(frozen=True)
class Prepared:
    """A data set after Transform.

    Attributes:
        config: the configuration that made it.
        examples: the encoded events.
        graph: the encoder.
    """

    config: PipelineConfig
    examples: TransformedExamples
    graph: TransformGraph


def prepare(config: PipelineConfig, directory: Path) -> Prepared:
    """Reads and encodes a data set, or opens what an earlier call left in `directory`.

    Raises:
        RunError: the data cannot be used.
    """
    prepared = Prepared(config, TransformedExamples(directory / "examples"), TransformGraph(directory / "graph"))
    if directory.is_dir():
        return prepared
    part = directory.with_name(f"{directory.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    context = ExecutionContext(beam=config.beam)
    examples, statistics, schema = Examples(part / "raw"), Statistics(part / "statistics"), Schema(part / "schema")
    ExampleGen(config.data).execute(NoInputs(), ExampleGen.Outputs(examples), context)
    StatisticsGen(Params()).execute(StatisticsGen.Inputs(examples), StatisticsGen.Outputs(statistics), context)
    SchemaGen(config.pinned_schema).execute(SchemaGen.Inputs(statistics), SchemaGen.Outputs(schema), context)
    params = TransformParams(split=config.resolved_split, features=config.features, seed=config.seed)
    made = Transform.Outputs(TransformGraph(part / "graph"), TransformedExamples(part / "examples"))
    Transform(params).execute(Transform.Inputs(examples, schema), made, context)
    shutil.rmtree(examples.path)
    part.rename(directory)
    return prepared


def prepare_as_configured(name: DatasetName, data: Path | None, work: Path) -> Path:
    """Prepares a data set with its own configuration.

    Args:
        name: of the data set.
        data: the directory that has its folder.
        work: keeps what is made.

    Returns:
        The directory for `prepare` to open.
    """
    source = SOURCES[name]
    directory = work / name.replace(" ", "_") / "as_configured"
    prepare(load_config(source.config, settings(source, data, work)), directory)
    return directory
