"""The configuration of a pipeline: one YAML file, checked completely before anything heavy is loaded."""

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
from components.pusher import ModelCardConfig, PushConfig
from components.scann_indexer import IndexConfig
from components.schema_gen import SchemaGenParams
from components.transform import MAX_EVENTS_PER_QUERY
from dataplane.beam_runner import AnyRunner, InProcess
from dataplane.errors.messages import listed
from dataplane.files import storage
from dataplane.sources.config import SyntheticInteractions
from dataplane.sources.headers import check_headers
from dataplane.sources.ingestion.pivot_cut import pivot_problems
from dataplane.sources.spans.listing import SpanError
from dataplane.sources.spans.window import at_newest, pinned
from dataplane.sources.value_config import ColumnName
from models.spec.checks import contradictions
from models.spec.config import ModelConfig, TrainingConfig
from models.spec.features import QUERY_ID, FeatureSpec
from models.spec.split_config import FilesSplit, LeaveLastNSplit, RatioSplit, SplitConfig
from models.spec.strict import Strict
from pipeline.config.metrics_config import MetricsConfig
from pipeline.config.notify_config import NotifyConfig
from pipeline.config.problems import Problem, config_error, explain
from pipeline.config.selection_checks import selection_problems
from pipeline.config.tracking_config import TrackingConfig, missing_package
from pipeline.config.tuning_config import TuningConfig
from pipeline.config.yaml_file import read_document

SERVING = "serving"
"""Name of the folder of published models under the root."""


class ServingConfig(Strict):
    """What is published, how it is checked first, and where it goes."""

    top_k: int = Field(default=100, ge=1, le=10_000)
    """Number of candidates in an answer; clipped to the catalogue."""
    item_columns: tuple[ColumnName, ...] = ()
    """Columns of the candidate table that are stored with the published models, besides `display`. `serve` answers with
    them on request."""
    known_queries: bool = False
    """Stores the features and the history of every query of the data in the published models, for the signature
    `recommend_known`: a request then needs only the `query_id`. Both models grow by 4 bytes per event and the encoded
    features and ids of the queries; the record of the run tells the bytes. People's ids and histories are then part of
    the published files."""
    validation: InfraValidationConfig = InfraValidationConfig()
    """Checks that a model must pass in a fresh process before it is published."""
    push: PushConfig = PushConfig()
    """Where models are published."""


class PipelineConfig(Strict):
    """The configuration of one pipeline."""

    schema_version: Literal[1]
    """Version of this configuration format."""
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)
    """Name of the pipeline, of its folder under the root, and of the published model."""
    seed: int = Field(default=42, ge=0, lt=2**31)
    """Seed of the initial weights, batches, samples and hash splits."""
    display: ColumnName | None = None
    """Column of the candidate table, or candidate feature, that people read beside the ids, such as a title.
    `recommend`, `explore` and the report show it. If absent, a text column with a name such as `title` or `name`."""
    remove_seen: bool = True
    """Remove candidates in a query's history from rankings and answers. Set it to false for repeat consumption."""
    max_events_per_query: int = Field(default=MAX_EVENTS_PER_QUERY, ge=3)
    """Maximum number of events per query; the latest are used. It limits the cost of robots with very many events. The
    run reports how many events are left out."""
    data: ExampleGenParams
    """Sources of the interactions, queries and candidates."""
    pinned_schema: SchemaGenParams = Field(default=SchemaGenParams(), alias="schema")
    """A reviewed schema that the data must match; inferred from the data if absent."""
    validation: ExampleValidatorParams = ExampleValidatorParams()
    """Anomalies in the data that stop the run."""
    split: SplitConfig | None = None
    """How events are divided. If absent: by the files or split column of the source; otherwise leave-last-n if events
    are ordered; otherwise by ratio."""
    features: FeatureSpec = FeatureSpec()
    """Inputs of the towers."""
    model: ModelConfig = ModelConfig()
    """The towers."""
    training: TrainingConfig = TrainingConfig()
    """How the towers are fitted."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """What is measured, and what the model must reach to be published."""
    index: IndexConfig = IndexConfig()
    """How the ScaNN index searches."""
    serving: ServingConfig = ServingConfig()
    """What is published."""
    refresh: RefreshConfig = RefreshConfig()
    """How much a new candidate table may change of the served model."""
    model_card: ModelCardConfig = ModelCardConfig()
    """What only you know about the model, for the model card of every published version."""
    recommendations: BulkInferrerConfig | None = BulkInferrerConfig()
    """Batch recommendations for every query; `null` turns them off."""
    embeddings: EmbeddingExporterParams | None = None
    """Embeddings of candidates and queries as Parquet files; off if absent."""
    beam: AnyRunner = InProcess()
    """The Beam runner of the data steps."""
    tracking: TrackingConfig = TrackingConfig()
    """Where runs are logged besides their own records."""
    metrics: MetricsConfig = MetricsConfig()
    """Where the figures of runs go for Prometheus."""
    notify: NotifyConfig = NotifyConfig()
    """Who is told that a run was refused, failed or published a version."""
    tuning: TuningConfig | None = None
    """Search space of the command `tune`; no other command reads it."""

    @property
    def display_column(self) -> str | None:
        """The column that `display` names, directly or by its feature."""
        feature = self.features.of("candidate").get(self.display or "")
        return feature.column or self.display if feature else self.display

    @property
    def serves_columns(self) -> bool:
        """Whether columns of the candidate table are stored with the published models."""
        return bool(self.display or self.serving.item_columns or self.index.attribute_columns)

    @property
    def resolved_split(self) -> SplitConfig:
        """The configured split, or the default that suits the source."""
        if self.split is not None:
            return self.split
        if _source_gives_splits(self):
            return FilesSplit(method="files")
        return LeaveLastNSplit(method="leave_last_n") if _orderings(self) else RatioSplit(method="ratio")


def load_config(file: Path, settings: Sequence[str] = ()) -> PipelineConfig:
    """Reads and checks a configuration; relative paths in it start from the directory of the file.

    If the interactions have spans, `data.spans.span` of the result is the run's span, the newest by default.

    Args:
        file: the YAML file.
        settings: `key=value` settings that override the file.

    Raises:
        ConfigError: the configuration is invalid; the message lists every problem with its key and what is allowed.
    """
    document = read_document(file, settings)
    try:
        config = PipelineConfig.model_validate(document.values)
    except ValidationError as error:
        raise config_error(file, document, explain(error, document)) from None
    config = with_absolute_paths(config, file.absolute().parent)
    try:
        config = config.model_copy(update={"data": pinned(config.data)})
    except SpanError as error:
        raise config_error(file, document, [Problem(error.key, str(error))]) from None
    problems = _contradictions(config)
    if problems:
        raise config_error(file, document, problems)
    return config


def with_absolute_paths(config: PipelineConfig, directory: Path) -> PipelineConfig:
    """A copy whose relative paths start from `directory`; paths of tables keep to `data.base_dir`."""
    data = config.data.model_copy(update={"base_dir": directory / (config.data.base_dir or "")})
    updates: dict[str, object] = {"data": data, "beam": config.beam.anchored(directory)}
    if config.pinned_schema.path is not None:
        updates["pinned_schema"] = SchemaGenParams(path=directory / config.pinned_schema.path)
    if config.metrics.textfile is not None:
        updates["metrics"] = config.metrics.model_copy(update={"textfile": directory / config.metrics.textfile})
    target = config.serving.push.directory
    if target is not None and not storage.is_remote(target):
        push = config.serving.push.model_copy(update={"directory": str(directory / target)})
        updates["serving"] = config.serving.model_copy(update={"push": push})
    return config.model_copy(update=updates)


def _contradictions(config: PipelineConfig) -> list[Problem]:
    """Problems between sections that are each valid alone."""
    display = [config.display_column] if config.display_column else []
    problems = [
        Problem(found.key, f"{found.value}: {found.message}" + _allowed(found.allowed))
        for found in check_headers(
            at_newest(config.data),
            config.features,
            event_weights=config.training.event_weights,
            shown={
                "display": display,
                "serving.item_columns": config.serving.item_columns,
                **{key: [column] for key, column in config.index.attribute_columns.items()},
            },
        )
    ]
    problems += [
        Problem("evaluation.slices", message) for message in unusable_slices(config.evaluation.slices, config.features)
    ]
    problems += _known_problems(config)
    if config.name.endswith("-scann"):
        problems.append(Problem("name", "must not end in '-scann', the suffix of the ScaNN model"))
    if config.name == SERVING:
        problems.append(Problem("name", f"'{SERVING}' is reserved for the folder of published models under the root"))
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
    problems += selection_problems(config.index, config.data, config.features)
    if missing := missing_package(config.tracking):
        problems.append(Problem("tracking.mlflow", missing))
    return problems + _split_problems(config)


def _known_problems(config: PipelineConfig) -> list[Problem]:
    """Problems of context features with what is stored of queries and told of all of them."""
    problems, context = [], config.features.context
    if config.serving.known_queries and QUERY_ID in context:
        message = f"needs the input '{QUERY_ID}' for the id of a query; rename the context feature of this name"
        problems.append(Problem("serving.known_queries", message))
    for name in sorted({*(config.recommendations.context if config.recommendations else ())}):
        if name not in context:
            known = _allowed(list(context)) or "; there are none"
            problems.append(Problem("recommendations.context", f"'{name}' is no context feature{known}"))
    return problems


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
