"""The pipeline that gives the published model new attributes of its candidates."""

from functools import partial

from components.attribute_gen import AttributeGen, AttributeGenParams
from dataplane.artifacts import Catalogue, Examples, ServingModel
from dataplane.errors import ConfigError
from pipeline.config.config import PipelineConfig
from pipeline.execution.dag import Pipeline
from pipeline.execution.lineage import producer
from pipeline.execution.model_data import ATTRIBUTES
from pipeline.execution.published import Published
from pipeline.refresh import Refresh, add_publication, fitted_of, table_settings


def create_attribute_refresh(config: PipelineConfig, published: Published) -> Refresh:
    """Wires the steps from a new candidate table to a new version of the published model with its attributes.

    Towers, candidates and index stay as they are. The answers of both models are checked as in any run.

    Args:
        config: names the table and the attributes, and sets how the models are checked.
        published: the model that is served now.

    Raises:
        ConfigError: no candidate table or no attribute is configured, or the model's records are missing.
        RunError: the records of the artifacts that the model was built from are missing.
    """
    if not config.index.attribute_columns:
        raise ConfigError("refresh-index --attributes-only needs attributes: index.filters or index.max_per")
    maker = reader = published.maker()
    indexer = producer(published.store, maker, "serving_model")
    if indexer.node == ATTRIBUTES:  # starts from the index again, so that refreshes make no chain
        reader, indexer = indexer, producer(published.store, indexer, "serving_model")
    transform = producer(published.store, indexer, "transformed_examples")
    refresh = Refresh(Pipeline(config.name))
    take = partial(refresh.take, published.store)
    fitted = fitted_of(take, indexer)
    catalogue = take(indexer, "catalogue", Catalogue) if "catalogue" in indexer.inputs else None
    served = refresh.pipeline.add(
        AttributeGen(_params(config, published)),
        node_id=ATTRIBUTES,
        serving_model=take(reader, "serving_model", ServingModel),
        **fitted,
        catalogue=catalogue,
    )["serving_model"]
    examples = take(transform, "examples", Examples)
    add_publication(
        refresh, config, published, maker=maker, served=served, examples=examples, fitted=fitted, catalogue=catalogue
    )
    return refresh


def _params(config: PipelineConfig, published: Published) -> AttributeGenParams:
    return AttributeGenParams(
        **table_settings(config, published),
        filters=config.index.offered_filters,
        max_per=config.index.max_per,
        display=config.display_column,
        item_columns=config.serving.item_columns,
    )
