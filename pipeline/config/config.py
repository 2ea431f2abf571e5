"""The configuration of a pipeline: one YAML file, checked as a whole before anything heavy is loaded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from components.bulk_inferrer import BulkInferrerConfig
from components.catalogue_gen import RefreshConfig
from components.embedding_exporter import EmbeddingExporterParams
from components.evaluator import EvaluationConfig, unusable_slices
from components.example_gen import ExampleGenParams
from components.example_validator import ExampleValidatorParams
from components.infra_validator import InfraValidationConfig
from components.pusher import PushConfig
from components.scann_indexer import IndexConfig
from components.schema_gen import SchemaGenParams
from components.transform import MAX_EVENTS_PER_QUERY
from dataplane.beam_runner import AnyRunner, InProcess
from dataplane.errors.messages import listed
from dataplane.files import storage
from dataplane.sources.config import SyntheticInteractions
from dataplane.sources.headers import check_headers
from dataplane.sources.ingestion.pivot_cut import pivot_problems
from models.spec.checks import contradictions
from models.spec.config import ModelConfig, TrainingConfig
from models.spec.features import FeatureSpec
from models.spec.split_config import FilesSplit, LeaveLastNSplit, RatioSplit, SplitConfig
from models.spec.strict import Strict
from pipeline.config.problems import Problem, config_error, explain
from pipeline.config.tuning_config import TuningConfig
from pipeline.config.yaml_file import read_document

SERVING = "serving"
"""Folder of the published models, under the root."""


class ServingConfig(Strict):
    """What is published, how it is checked before, and where it goes."""

    top_k: int = Field(default=100, ge=1, le=10_000)
    """How many candidates a request is answered with; clipped to the catalogue."""
    validation: InfraValidationConfig = InfraValidationConfig()
    """What a fresh process must answer before a model is published."""
    push: PushConfig = PushConfig()
    """Where models are published."""


class PipelineConfig(Strict):
    """Everything about one pipeline."""

    schema_version: Literal[1]
    """Version of this layout."""
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)
    """Name of the pipeline, of its folder under the root, and of the published model."""
    seed: int = Field(default=42, ge=0, lt=2**31)
    """Seeds initial weights, batches, samples and hash splits."""
    remove_seen: bool = True
    """Whether candidates of a query's history are left out of rankings and answers; false for repeat consumption."""
    max_events_per_query: int = Field(default=MAX_EVENTS_PER_QUERY, ge=3)
    """Events of one query that are used, the latest: what keeps a robot with a million of them from costing as much
    as all others. How many are left out is told."""
    data: ExampleGenParams
    """Where interactions, queries and candidates come from."""
    pinned_schema: SchemaGenParams = Field(default=SchemaGenParams(), alias="schema")
    """A reviewed schema to hold the data against; inferred from them if absent."""
    validation: ExampleValidatorParams = ExampleValidatorParams()
    """What in the data stops the run."""
    split: SplitConfig | None = None
    """How events are divided; if absent, as the files say, else leave-last-n-out where there is an order, else by
    ratio."""
    features: FeatureSpec = FeatureSpec()
    """What the towers see."""
    model: ModelConfig = ModelConfig()
    """The towers."""
    training: TrainingConfig = TrainingConfig()
    """How they are fitted."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """What is measured, and what the model must reach to be published."""
    index: IndexConfig = IndexConfig()
    """How the ScaNN model searches."""
    serving: ServingConfig = ServingConfig()
    """What is published."""
    refresh: RefreshConfig = RefreshConfig()
    """What a new candidate table may change of what is served."""
    recommendations: BulkInferrerConfig | None = BulkInferrerConfig()
    """Batch answers for every query; `null` leaves them out."""
    embeddings: EmbeddingExporterParams | None = None
    """Vectors of candidates and queries as Parquet; left out if absent."""
    beam: AnyRunner = InProcess()
    """How the data steps are executed."""
    tuning: TuningConfig | None = None
    """What the command `tune` tries; nothing else reads it."""

    @property
    def resolved_split(self) -> SplitConfig:
        """The split as configured, or the one that suits the source."""
        if self.split is not None:
            return self.split
        if _source_gives_splits(self):
            return FilesSplit(method="files")
        return LeaveLastNSplit(method="leave_last_n") if _orderings(self) else RatioSplit(method="ratio")


def load_config(file: Path, settings: Sequence[str] = ()) -> PipelineConfig:
    """Reads and checks a configuration; relative paths in it start from the file's directory.

    Args:
        file: the YAML file.
        settings: `key=value` settings laid over it.

    Raises:
        ConfigError: it cannot be used; the message lists every problem with its key and what is allowed.
    """
    document = read_document(file, settings)
    try:
        config = PipelineConfig.model_validate(document.values)
    except ValidationError as error:
        raise config_error(file, document, explain(error, document)) from None
    config = _with_absolute_paths(config, file.absolute().parent)
    problems = _contradictions(config)
    if problems:
        raise config_error(file, document, problems)
    return config


def _with_absolute_paths(config: PipelineConfig, directory: Path) -> PipelineConfig:
    data = config.data.model_copy(update={"base_dir": directory / (config.data.base_dir or "")})
    updates: dict[str, object] = {"data": data, "beam": config.beam.anchored(directory)}
    if config.pinned_schema.path is not None:
        updates["pinned_schema"] = SchemaGenParams(path=directory / config.pinned_schema.path)
    target = config.serving.push.directory
    if target is not None and not storage.is_remote(target):
        push = config.serving.push.model_copy(update={"directory": str(directory / target)})
        updates["serving"] = config.serving.model_copy(update={"push": push})
    return config.model_copy(update=updates)


def _contradictions(config: PipelineConfig) -> list[Problem]:
    """What each section allows but the whole does not."""
    problems = [
        Problem(found.key, f"{found.value}: {found.message}" + _allowed(found.allowed))
        for found in check_headers(config.data, config.features, event_weights=config.training.event_weights)
    ]
    problems += [
        Problem("evaluation.slices", message) for message in unusable_slices(config.evaluation.slices, config.features)
    ]
    if config.name.endswith("-scann"):
        problems.append(Problem("name", "must not end in '-scann': this suffix is reserved for the ScaNN model"))
    if config.name == SERVING:
        problems.append(Problem("name", f"'{SERVING}' is where models are published under the root"))
    if config.pinned_schema.path is not None and storage.stat(str(config.pinned_schema.path)) is None:
        problems.append(Problem("schema.path", f"there is no file {config.pinned_schema.path}"))
    found = contradictions(
        config.features,
        config.model,
        config.training,
        orderings=_orderings(config),
        split=config.resolved_split.method,
    )
    problems += [Problem(key, message) for key, message in found]
    problems += [Problem(key, message) for key, message in pivot_problems(config.data, config.resolved_split)]
    return problems + _split_problems(config)


def _split_problems(config: PipelineConfig) -> list[Problem]:
    method, orderings = config.resolved_split.method, _orderings(config)
    if method == "files" and not _source_gives_splits(config):
        message = "needs data.interactions.path (or columns.split) to say which rows are train, validation and test"
        return [Problem("split.method", f"'files' {message}")]
    if method == "leave_last_n" and not orderings:
        message = (
            "'leave_last_n' needs a timestamp or order column in data.interactions.columns; allowed without: ratio"
        )
        return [Problem("split.method", message)]
    if method == "time" and "timestamp" not in orderings:
        return [Problem("split.method", "'time' needs a timestamp column in data.interactions.columns")]
    return []


def _source_gives_splits(config: PipelineConfig) -> bool:
    source = config.data.interactions
    if isinstance(source, SyntheticInteractions):
        return False
    by_file = isinstance(getattr(source, "path", None), dict) or isinstance(getattr(source, "split", None), dict)
    return by_file or source.columns.split is not None


def _orderings(config: PipelineConfig) -> set[str]:
    source = config.data.interactions
    if isinstance(source, SyntheticInteractions):
        return {"timestamp"}
    return {"timestamp", "order"} & set(source.columns.mapped())


def _allowed(values: Sequence[str]) -> str:
    return f"; allowed: {listed(values)}" if values else ""
