"""The pipeline that refreshes the index of the published model, and the artifacts it starts from."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from components.catalogue_gen import CatalogueGen, CatalogueGenParams
from components.embedding_exporter import EmbeddingExporter, EmbeddingExporterParams
from components.infra_validator import InfraValidator
from components.pusher import Pusher, PusherParams
from dataplane.artifacts import Artifact, Blessing, Evaluation, Examples, Model, TransformedExamples, TransformGraph
from dataplane.errors import ConfigError
from dataplane.sources.config import MappedEntities
from dataplane.sources.ingestion.feature_kinds import source_with_kinds
from dataplane.sources.ingestion.pivot_cut import with_latest_values
from pipeline.config.config import PipelineConfig
from pipeline.create_pipeline import Fitted, scann_indexer
from pipeline.execution.dag import Node, OutputRef, Pipeline
from pipeline.execution.lineage import output_read, producer
from pipeline.execution.metadata import Execution, Store
from pipeline.execution.published import REFRESHED, Published


@dataclass(frozen=True)
class Refresh:
    """The steps of a refresh.

    Attributes:
        pipeline: the steps to run.
        given: finished executions whose outputs the steps read, by node id.
    """

    pipeline: Pipeline
    given: dict[str, Execution] = field(default_factory=dict)

    def take(self, store: Store, execution: Execution, name: str, kind: type[Artifact]) -> OutputRef:
        """Reuses an input of a finished execution, or an equal artifact, as an input of the refresh."""
        made = producer(store, execution, name)
        self.given[made.node] = made
        return self.pipeline.given(made.node, output_read(execution, name), kind)


def create_refresh(config: PipelineConfig, published: Published) -> Refresh:
    """Wires the steps from a new candidate table to a new version of the published model.

    The published model's towers, preprocessing, stored queries and blessing are reused; the model is not evaluated
    again. The recall of the new index and the answers of both new models are checked as in any run.

    Args:
        config: names the table and sets how it is indexed and how the models are checked.
        published: the model that is served now.

    Raises:
        ConfigError: no candidate table is configured, or the model's records are missing.
        RunError: the records of the artifacts that the model was built from are missing.
    """
    params = CatalogueGenParams(**table_settings(config, published))
    maker = published.maker()
    indexer = producer(published.store, maker, "serving_model")
    transform = producer(published.store, indexer, "transformed_examples")
    refresh = Refresh(Pipeline(config.name))
    add, take = refresh.pipeline.add, partial(refresh.take, published.store)
    fitted = fitted_of(take, indexer)
    made = add(
        CatalogueGen(params),
        transformed_examples=fitted["transformed_examples"],
        transform_graph=fitted["transform_graph"],
    )
    catalogue, items = made["catalogue"], made["examples"] if config.serves_columns else None
    served = add(scann_indexer(config), node_id="RefreshScannIndexer", **fitted, catalogue=catalogue, examples=items)[
        "serving_model"
    ]
    examples = take(transform, "examples", Examples)
    pusher = add_publication(
        refresh, config, published, maker=maker, served=served, examples=examples, fitted=fitted, catalogue=catalogue
    )
    if config.embeddings is not None and config.embeddings.candidates:
        exporter, node_id = EmbeddingExporter(EmbeddingExporterParams(queries=False)), "RefreshEmbeddingExporter"
        add(exporter, node_id=node_id, **fitted, serving_model=served, catalogue=catalogue, after=[pusher])
    return refresh


def fitted_of(take: Callable[[Execution, str, type[Artifact]], OutputRef], indexer: Execution) -> Fitted:
    """The trained model behind an index."""
    return Fitted(
        transformed_examples=take(indexer, "transformed_examples", TransformedExamples),
        transform_graph=take(indexer, "transform_graph", TransformGraph),
        model=take(indexer, "model", Model),
    )


def add_publication(
    refresh: Refresh,
    config: PipelineConfig,
    published: Published,
    *,
    maker: Execution,
    served: OutputRef,
    examples: OutputRef,
    fitted: Fitted,
    catalogue: OutputRef | None,
) -> Node:
    """Adds the steps that check new models and publish them in the place of the published ones; returns the Pusher.

    The models are published with the blessing of those that they replace, which `maker` published.
    """
    add = refresh.pipeline.add
    infra_blessing = add(
        InfraValidator(config.serving.validation),
        node_id="RefreshInfraValidator",
        examples=examples,
        transformed_examples=fitted["transformed_examples"],
        serving_model=served,
        catalogue=catalogue,
    )["infra_blessing"]
    return add(
        Pusher(_push_params(config, published)),
        node_id=REFRESHED,
        serving_model=served,
        blessing=refresh.take(published.store, maker, "blessing", Blessing),
        infra_blessing=infra_blessing,
        # That of the execution which gave the blessing; Pushers of older releases did not read it.
        evaluation=refresh.pipeline.given(producer(published.store, maker, "blessing").node, "evaluation", Evaluation),
        model=fitted["model"],
        transformed_examples=fitted["transformed_examples"],
        catalogue=catalogue,
    )


def _candidate_table(config: PipelineConfig) -> MappedEntities:
    """The candidate table of a configuration.

    Raises:
        ConfigError: there is none.
    """
    source = config.data.candidates
    if not isinstance(source, MappedEntities):
        raise ConfigError(
            "refresh-index needs a candidate table (files or TensorFlow Datasets) as data.candidates; this "
            "configuration " + ("takes candidates from the interactions" if source else "has none")
        )
    return source


def _push_params(config: PipelineConfig, published: Published) -> PusherParams:
    """Parameters of the Pusher: those of the published model, with today's card and number of versions."""
    keep = config.serving.push.keep_versions
    return published.pusher.model_copy(update={"keep_versions": keep, "card": config.model_card})


def table_settings(config: PipelineConfig, published: Published) -> dict[str, Any]:
    """How the new candidate table is read: parameters that CatalogueGen and AttributeGen share.

    Raises:
        ConfigError: no candidate table is configured.
    """
    return {
        "base_dir": config.data.base_dir,
        "candidates": source_with_kinds(with_latest_values(_candidate_table(config)), config.features, ["candidate"]),
        "max_bad_fraction": config.data.max_bad_fraction,
        "max_removed_fraction": config.refresh.max_removed_fraction,
        "refresh_of": dict(published.trained_identity()),
    }
