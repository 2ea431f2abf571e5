"""The data sets of the benchmarks, made by the pipeline's own components: one split and one encoding for all."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.base import ExecutionContext, NoInputs, Params
from components.example_gen import ExampleGen
from components.schema_gen import SchemaGen
from components.statistics_gen import StatisticsGen
from components.transform import Transform, TransformParams
from dataplane.artifacts import Examples, Schema, Statistics, TransformedExamples, TransformGraph
from dataplane.errors import RunError
from models.spec.split_config import TimeSplit
from pipeline.config.config import PipelineConfig, load_config
from pipeline.config.yaml_file import read_document

_CONFIGS = Path(__file__).parents[2] / "tfx_config"
_OWN = Path(__file__).parents[1] / "datasets"


@dataclass(frozen=True)
class Source:
    """A data set.

    Attributes:
        config: its configuration, with the default model unless that file says otherwise.
        folder: where its files are, below the data directory; None where there are none to be found.
        at: the cut-off k of the metrics that are compared.
        metric: what is chosen by on validation, and judged by.
        epochs: passes that the systems' trainings make at most.
        withheld: share of the candidates, drawn at random, that come out when validation begins: their training events
            are left out. As MovieLens has few new movies, most of them rated by nobody.
    """

    config: Path
    folder: str | None
    at: int
    metric: str
    epochs: int = 30
    withheld: float = 0.0


SOURCES = {
    "ml-100k": Source(_CONFIGS / "movielens_100k.yaml", None, 10, "ndcg@10"),
    "ml-1m": Source(_OWN / "movielens_1m_sequences.yaml", "ml-1m", 10, "ndcg@10", epochs=10),
    "beauty": Source(_CONFIGS / "amazon_beauty.yaml", "amazon-beauty", 20, "ndcg@20"),
    "untuned": Source(_CONFIGS / "movie_export.yaml", "movie-export", 10, "ndcg@10"),
    "ml-1m cold": Source(_OWN / "movielens_1m_cold.yaml", "ml-1m", 100, "recall@100", withheld=0.1),
    "synthetic cold": Source(_OWN / "synthetic_cold.yaml", None, 100, "recall@100"),
}


@dataclass(frozen=True)
class Prepared:
    """A data set after Transform.

    Attributes:
        config: what it was made with.
        examples: the encoded events.
        graph: what encoded them.
    """

    config: PipelineConfig
    examples: TransformedExamples
    graph: TransformGraph


def settings(source: Source, data: Path | None, work: Path) -> list[str]:
    """The `--set` that says where the files are.

    Args:
        source: the data set.
        data: where its folder is.
        work: keeps the interactions without what is withheld.

    Raises:
        RunError: the data set has files and nobody said where.
    """
    if source.folder is None:
        return []
    if data is None or not (data / source.folder).is_dir():
        raise RunError(f"{source.config.name} reads a folder '{source.folder}': say where it is with --data DIR")
    folder = data / source.folder
    if not source.withheld:
        return [f"data.base_dir={folder}"]
    return [f"data.base_dir={folder}", f"data.interactions.path={_without_withheld(source, folder, work)}"]


def _without_withheld(source: Source, folder: Path, work: Path) -> Path:
    """The interactions that are not withheld: written by the first call, for all that follow."""
    file = work / f"{source.config.stem}.parquet"
    if file.is_file():
        return file
    interactions = read_document(source.config).values["data"]["interactions"]
    split = load_config(source.config, [f"data.base_dir={folder}"]).resolved_split
    assert isinstance(split, TimeSplit)
    assert split.validation_from is not None
    table, columns = pq.read_table(folder / interactions["path"]), interactions["columns"]
    candidates, of_event = np.unique(table[columns["candidate_id"]].to_numpy(), return_inverse=True)
    withheld = np.random.default_rng(1).random(len(candidates)) < source.withheld
    early = table[columns["timestamp"]].to_numpy() < split.validation_from.timestamp()
    work.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    pq.write_table(table.filter(pa.array(~(early & withheld[of_event]))), part)
    return part.rename(file)


def prepare(config: PipelineConfig, directory: Path) -> Prepared:
    """Reads and encodes a data set, or opens what an earlier call has left in `directory`.

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


def named(name: str, data: Path | None, work: Path) -> Prepared:
    """The data set of this name in `SOURCES`, with its own configuration.

    Args:
        name: a key of `SOURCES`.
        data: where files are.
        work: keeps what is made.
    """
    source = SOURCES[name]
    return prepare(
        load_config(source.config, settings(source, data, work)), work / name.replace(" ", "_") / "as_configured"
    )
