"""The chain of components for a configuration."""

from pathlib import Path

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
from components.trainer import Trainer, TrainerParams
from components.transform import Transform, TransformParams
from dataplane.sources.ingestion.feature_kinds import with_feature_kinds
from dataplane.sources.ingestion.pivot_cut import with_pivot_cuts
from pipeline.config.config import SERVING, PipelineConfig
from pipeline.execution.dag import Node, OutputRef, Pipeline
from serving.published.published_versions import PublishedVersions


def create_pipeline(config: PipelineConfig, root: Path) -> Pipeline:
    """Wires the components; reads and writes nothing.

    With `training.final_fit` the model that is evaluated chooses the number of steps, and a second one, fitted to all
    events for as many steps, is indexed and published in its place.

    Args:
        config: the checked configuration.
        root: models are published below it, in `serving/`, unless the configuration says where.
    """
    pipeline = Pipeline(config.name)
    push = config.serving.push
    push_directory = push.directory or str(root / SERVING)
    data = with_pivot_cuts(with_feature_kinds(config.data, config.features), config.resolved_split)
    example_gen = pipeline.add(ExampleGen(data))
    statistics_gen = pipeline.add(StatisticsGen(Params()), examples=example_gen["examples"])
    schema_gen = pipeline.add(SchemaGen(config.pinned_schema), statistics=statistics_gen["statistics"])
    validator = pipeline.add(
        ExampleValidator(config.validation), statistics=statistics_gen["statistics"], schema=schema_gen["schema"]
    )

    def fit(*, final: bool, reference: OutputRef | None = None) -> tuple[Node, Node]:
        prefix = "Final" if final else ""
        transform = pipeline.add(
            Transform(
                TransformParams(
                    split=config.resolved_split,
                    features=config.features,
                    seed=config.seed,
                    event_weights=config.training.event_weights,
                    final=final,
                    max_events_per_query=config.max_events_per_query,
                )
            ),
            node_id=f"{prefix}Transform",
            examples=example_gen["examples"],
            schema=schema_gen["schema"],
            after=[validator],
        )
        trainer = pipeline.add(
            Trainer(
                TrainerParams(
                    model=config.model,
                    # Whether another fit follows changes neither, so turning it on keeps the first one; weights by
                    # kind of event are in the transformed examples.
                    training=config.training.model_copy(update={"final_fit": False, "event_weights": None}),
                    remove_seen=config.remove_seen,
                    seed=config.seed,
                    max_unmeasured_fraction=config.evaluation.max_unmeasured_fraction,
                    final=final,
                )
            ),
            node_id=f"{prefix}Trainer",
            transformed_examples=transform["transformed_examples"],
            transform_graph=transform["transform_graph"],
            reference=reference,
        )
        return transform, trainer

    transform, trainer = fit(final=False)
    evaluator = pipeline.add(
        Evaluator(
            EvaluatorParams(
                evaluation=config.evaluation,
                remove_seen=config.remove_seen,
                seed=config.seed,
                final_fit=config.training.final_fit,
            ),
            PublishedVersions(push_directory, config.name),
        ),
        examples=example_gen["examples"] if config.evaluation.min_lift_over_published else None,
        transformed_examples=transform["transformed_examples"],
        transform_graph=transform["transform_graph"],
        model=trainer["model"],
    )
    if config.training.final_fit:
        transform, trainer = fit(final=True, reference=trainer["model"])
    scann_indexer = pipeline.add(
        ScannIndexer(
            ScannIndexerParams(index=config.index, top_k=config.serving.top_k, remove_seen=config.remove_seen)
        ),
        transformed_examples=transform["transformed_examples"],
        transform_graph=transform["transform_graph"],
        model=trainer["model"],
    )
    infra_validator = pipeline.add(
        InfraValidator(config.serving.validation),
        examples=example_gen["examples"],
        transformed_examples=transform["transformed_examples"],
        serving_model=scann_indexer["serving_model"],
    )
    pusher = pipeline.add(
        Pusher(PusherParams(name=config.name, directory=push_directory, keep_versions=push.keep_versions)),
        serving_model=scann_indexer["serving_model"],
        blessing=evaluator["blessing"],
        infra_blessing=infra_validator["infra_blessing"],
    )
    if config.recommendations is not None:
        pipeline.add(
            BulkInferrer(BulkInferrerParams(**config.recommendations.model_dump(), remove_seen=config.remove_seen)),
            transformed_examples=transform["transformed_examples"],
            transform_graph=transform["transform_graph"],
            model=trainer["model"],
            serving_model=scann_indexer["serving_model"],
            after=[pusher],
        )
    if config.embeddings is not None:
        pipeline.add(
            EmbeddingExporter(config.embeddings),
            transformed_examples=transform["transformed_examples"],
            transform_graph=transform["transform_graph"],
            model=trainer["model"],
            serving_model=scann_indexer["serving_model"],
            after=[pusher],
        )
    return pipeline
