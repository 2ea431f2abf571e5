"""Refreshing the index of the published model: the chain of components, and what it starts from."""

from dataclasses import dataclass, field

from components.catalogue_gen import CatalogueGen, CatalogueGenParams
from components.embedding_exporter import EmbeddingExporter, EmbeddingExporterParams
from components.infra_validator import InfraValidator
from components.pusher import Pusher
from components.scann_indexer import ScannIndexer, ScannIndexerParams
from dataplane.artifacts import Artifact, Blessing, Examples, Model, TransformedExamples, TransformGraph
from dataplane.errors import ConfigError
from dataplane.sources.config import MappedEntities
from dataplane.sources.ingestion.feature_kinds import source_with_kinds
from dataplane.sources.ingestion.pivot_cut import with_latest_values
from pipeline.config.config import PipelineConfig
from pipeline.execution.dag import OutputRef, Pipeline
from pipeline.execution.lineage import output_read, producer
from pipeline.execution.metadata import Execution
from pipeline.execution.published import REFRESHED, Published


@dataclass(frozen=True)
class Refresh:
    """What a refresh runs.

    Attributes:
        pipeline: its steps.
        given: the executions whose outputs they start from, by node id.
    """

    pipeline: Pipeline
    given: dict[str, Execution] = field(default_factory=dict)


def create_refresh(config: PipelineConfig, published: Published) -> Refresh:
    """Wires the steps from a new candidate table to a new version of the published model.

    The towers, the preprocessing, the stored queries and the blessing are those of the published model: it is not
    evaluated again. Recall of the new index and the answers of both new models are checked as in any run.

    Args:
        config: says where the table is, how it is indexed and how the models are checked.
        published: the model that stands.

    Raises:
        ConfigError: there is no candidate table, or the model's records are gone.
        RunError: the record of what the model was made of is gone.
    """
    source = config.data.candidates
    if not isinstance(source, MappedEntities):
        raise ConfigError(
            "refresh-index needs a candidate table in files or TensorFlow Datasets as data.candidates, here it "
            + ("is taken from the interactions" if source else "is not configured")
        )
    refresh = Refresh(Pipeline(config.name))
    maker = published.maker()
    indexer = producer(published.store, maker, "serving_model")
    transform = producer(published.store, indexer, "transformed_examples")

    def given(execution: Execution, name: str, kind: type[Artifact]) -> OutputRef:
        made = producer(published.store, execution, name)
        refresh.given[made.node] = made
        return refresh.pipeline.given(made.node, output_read(execution, name), kind)

    transformed_examples = given(indexer, "transformed_examples", TransformedExamples)
    transform_graph = given(indexer, "transform_graph", TransformGraph)
    model = given(indexer, "model", Model)
    catalogue_gen = refresh.pipeline.add(
        CatalogueGen(
            CatalogueGenParams(
                base_dir=config.data.base_dir,
                candidates=source_with_kinds(with_latest_values(source), config.features, ["candidate"]),
                max_bad_fraction=config.data.max_bad_fraction,
                max_removed_fraction=config.refresh.max_removed_fraction,
                refresh_of=dict(published.trained_identity()),
            )
        ),
        transformed_examples=transformed_examples,
        transform_graph=transform_graph,
    )
    scann_indexer = refresh.pipeline.add(
        ScannIndexer(
            ScannIndexerParams(index=config.index, top_k=config.serving.top_k, remove_seen=config.remove_seen)
        ),
        node_id="RefreshScannIndexer",
        transformed_examples=transformed_examples,
        transform_graph=transform_graph,
        model=model,
        catalogue=catalogue_gen["catalogue"],
    )
    infra_validator = refresh.pipeline.add(
        InfraValidator(config.serving.validation),
        node_id="RefreshInfraValidator",
        examples=given(transform, "examples", Examples),
        transformed_examples=transformed_examples,
        serving_model=scann_indexer["serving_model"],
        catalogue=catalogue_gen["catalogue"],
    )
    pusher = refresh.pipeline.add(
        Pusher(published.pusher.model_copy(update={"keep_versions": config.serving.push.keep_versions})),
        node_id=REFRESHED,
        serving_model=scann_indexer["serving_model"],
        blessing=given(maker, "blessing", Blessing),
        infra_blessing=infra_validator["infra_blessing"],
    )
    if config.embeddings is not None and config.embeddings.candidates:
        refresh.pipeline.add(
            EmbeddingExporter(EmbeddingExporterParams(queries=False)),
            node_id="RefreshEmbeddingExporter",
            transformed_examples=transformed_examples,
            transform_graph=transform_graph,
            model=model,
            serving_model=scann_indexer["serving_model"],
            catalogue=catalogue_gen["catalogue"],
            after=[pusher],
        )
    return refresh
