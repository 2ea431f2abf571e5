"""The chain of components for a configuration."""

from pathlib import Path
from typing import TypedDict

from components.base import Params
from components.bulk_inferrer import BulkInferrer, BulkInferrerParams
from components.embedding_exporter import EmbeddingExporter
from components.evaluator import Evaluator, EvaluatorParams
from components.example_gen import ExampleGen
from components.example_validator import ExampleValidator
from components.infra_validator import InfraValidator
from components.pusher import Pusher, PusherParams
from components.scann_indexer import ScannIndexer, ScannIndexerParams
from components.schema_gen import SchemaGen
from components.statistics_gen import StatisticsGen
from components.trainer import BASE_INPUTS, Trainer, TrainerParams
from components.transform import Transform, TransformParams
from dataplane.sources.data_config import ExampleGenParams
from dataplane.sources.ingestion.feature_kinds import with_feature_kinds
from dataplane.sources.ingestion.pivot_cut import with_pivot_cuts
from pipeline.config.config import SERVING, PipelineConfig
from pipeline.execution.base_model import NO_BASE, BaseModel
from pipeline.execution.dag import Node, OutputRef, Pipeline
from pipeline.execution.earlier_data import EarlierRuns
from serving.published.published_versions import PublishedVersions


def create_pipeline(
    config: PipelineConfig, root: Path, base: BaseModel | None = None, *, accepted: str = ""
) -> Pipeline:
    """Wires the components; reads and writes nothing.

    With `training.final_fit`, the evaluated model sets the number of steps. A second model is trained on all events
    for that many steps; the second model is indexed and published.

    Args:
        config: the checked configuration.
        root: models are published to `serving/` below it unless the configuration names another directory.
        base: the model that trainings start from; None for random weights.
        accepted: why anomalies in the data are accepted; "" refuses them.
    """
    pipeline, directory = Pipeline(config.name), publishing_directory(config, root)
    examples = pipeline.add(ExampleGen(_data(config)))["examples"]
    statistics = pipeline.add(StatisticsGen(Params()), examples=examples)["statistics"]
    schema = pipeline.add(SchemaGen(config.pinned_schema), statistics=statistics)["schema"]
    validator = ExampleValidator(config.validation, EarlierRuns(root, config.name), accepted=accepted)
    gate = pipeline.add(validator, statistics=statistics, schema=schema)
    fitted = _fit(pipeline, config, gate, base, examples=examples, schema=schema)
    asked = examples if config.evaluation.compares_with_served else None
    evaluator = pipeline.add(_evaluator(config, directory), examples=asked, **fitted)
    if config.training.final_fit:
        fitted = _fit(pipeline, config, gate, base, examples=examples, schema=schema, reference=fitted["model"])
    items = examples if config.serves_columns else None
    served = pipeline.add(scann_indexer(config), **fitted, examples=items)["serving_model"]
    infra_blessing = pipeline.add(
        InfraValidator(config.serving.validation),
        examples=examples,
        transformed_examples=fitted["transformed_examples"],
        serving_model=served,
    )["infra_blessing"]
    pusher = pipeline.add(
        _pusher(config, directory),
        serving_model=served,
        blessing=evaluator["blessing"],
        infra_blessing=infra_blessing,
        evaluation=evaluator["evaluation"],
        model=fitted["model"],
        transformed_examples=fitted["transformed_examples"],
    )
    if config.recommendations is not None:
        params = BulkInferrerParams(**config.recommendations.model_dump(), remove_seen=config.remove_seen)
        pipeline.add(BulkInferrer(params), **fitted, serving_model=served, after=[pusher])
    if config.embeddings is not None:
        pipeline.add(EmbeddingExporter(config.embeddings), **fitted, serving_model=served, after=[pusher])
    return pipeline


def publishing_directory(config: PipelineConfig, root: Path) -> str:
    """Path or URI of the directory of published models."""
    return config.serving.push.directory or str(root / SERVING)


def scann_indexer(config: PipelineConfig) -> ScannIndexer:
    """The ScannIndexer of a configuration; an index refresh uses the same parameters."""
    return ScannIndexer(
        ScannIndexerParams(
            index=config.index,
            top_k=config.serving.top_k,
            remove_seen=config.remove_seen,
            known_queries=config.serving.known_queries,
            display=config.display_column,
            item_columns=config.serving.item_columns,
        )
    )


class Fitted(TypedDict):
    """A trained model and the data it was trained on."""

    transformed_examples: OutputRef
    transform_graph: OutputRef
    model: OutputRef


def _fit(
    pipeline: Pipeline,
    config: PipelineConfig,
    gate: Node,
    base: BaseModel | None,
    *,
    examples: OutputRef,
    schema: OutputRef,
    reference: OutputRef | None = None,
) -> Fitted:
    """Adds a Transform and a Trainer: the final ones, of all events, if `reference` gives the number of steps."""
    is_final = reference is not None
    prefix = "Final" if is_final else ""
    transform = pipeline.add(
        _transform(config, is_final=is_final),
        node_id=f"{prefix}Transform",
        examples=examples,
        schema=schema,
        after=[gate],
    )
    transformed_examples, transform_graph = transform["transformed_examples"], transform["transform_graph"]
    trainer = pipeline.add(
        _trainer(config, is_final=is_final),
        node_id=f"{prefix}Trainer",
        transformed_examples=transformed_examples,
        transform_graph=transform_graph,
        reference=reference,
        settled=BASE_INPUTS if config.training.warm_start.is_on else (),
        **(NO_BASE if base is None else base.inputs(pipeline, is_final=is_final)),
    )
    return Fitted(transformed_examples=transformed_examples, transform_graph=transform_graph, model=trainer["model"])


def _data(config: PipelineConfig) -> ExampleGenParams:
    data = with_pivot_cuts(with_feature_kinds(config.data, config.features), config.resolved_split)
    return data if data.spans is None else data.model_copy(update={"spans": data.spans.after_waiting()})


def _transform(config: PipelineConfig, *, is_final: bool) -> Transform:
    return Transform(
        TransformParams(
            split=config.resolved_split,
            features=config.features,
            seed=config.seed,
            event_weights=config.training.event_weights,
            final=is_final,
            max_events_per_query=config.max_events_per_query,
        )
    )


def _trainer(config: PipelineConfig, *, is_final: bool) -> Trainer:
    return Trainer(trainer_params(config, is_final=is_final))


def trainer_params(config: PipelineConfig, *, is_final: bool = False) -> TrainerParams:
    """Parameters of a training, in a pipeline or as a trial of `tune`."""
    return TrainerParams(
        model=config.model,
        # `final_fit` is left out of the cache key because it does not change this fit. Event weights are left out
        # because Transform has already applied them.
        training=config.training.model_copy(update={"final_fit": False, "event_weights": None}),
        remove_seen=config.remove_seen,
        seed=config.seed,
        max_unmeasured_fraction=config.evaluation.max_unmeasured_fraction,
        final=is_final,
    )


def _evaluator(config: PipelineConfig, directory: str) -> Evaluator:
    return Evaluator(
        EvaluatorParams(
            evaluation=config.evaluation,
            remove_seen=config.remove_seen,
            seed=config.seed,
            final_fit=config.training.final_fit,
        ),
        PublishedVersions(directory, config.name),
    )


def _pusher(config: PipelineConfig, directory: str) -> Pusher:
    keep = config.serving.push.keep_versions
    return Pusher(PusherParams(name=config.name, directory=directory, keep_versions=keep, card=config.model_card))
