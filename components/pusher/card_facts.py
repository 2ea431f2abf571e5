"""Reads the recorded facts that a model card is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from components.pusher.card_params import ModelCardConfig
from dataplane.artifacts import Artifact, Blessing, Catalogue, Evaluation, Model, ServingModel, TransformedExamples
from dataplane.artifacts.blessing import Verdict
from dataplane.artifacts.catalogue import CatalogueChanges
from dataplane.artifacts.document import Document
from dataplane.artifacts.evaluation import Metrics
from dataplane.artifacts.model import TrainingReport
from dataplane.artifacts.serving_model import IndexReport
from dataplane.artifacts.transformed_examples import DatasetMetadata
from dataplane.errors import UnreadableDocumentError
from models.saved_models.configuration import read_configuration
from models.spec.config import ModelConfig
from serving.model.descriptions import ModelDescription, read_description

DocumentT = TypeVar("DocumentT", bound=Document)


@dataclass(frozen=True)
class CardFacts:
    """The facts about a model to publish. Documents that older releases wrote otherwise are None.

    Attributes:
        name: name of the exact model.
        owner: what the owner says.
        description: description of the serving models.
        verdict: gates, and notes about them.
        index: the index and its recall.
        data: split, counts and range in time of the events.
        training: settings and result of the training.
        towers: settings of the towers.
        metrics: the evaluation.
        changes: differences from the training's candidates; None unless the index was refreshed.
    """

    name: str
    owner: ModelCardConfig
    description: ModelDescription
    verdict: Verdict | None
    index: IndexReport | None
    data: DatasetMetadata | None
    training: TrainingReport | None
    towers: ModelConfig | None
    metrics: Metrics | None
    changes: CatalogueChanges | None


def read_facts(
    name: str,
    owner: ModelCardConfig,
    *,
    serving_model: ServingModel,
    blessing: Blessing,
    evaluation: Evaluation,
    model: Model,
    transformed_examples: TransformedExamples,
    catalogue: Catalogue | None,
    warn: Callable[[str], None],
) -> CardFacts:
    """Reads the facts from the artifacts; warns of documents that cannot be read and leaves them out.

    Raises:
        RunError: the serving model has no description.
    """

    def read(kind: type[DocumentT], artifact: Artifact) -> DocumentT | None:
        try:
            return kind.read(artifact)
        except UnreadableDocumentError as error:
            warn(f"the model card is incomplete: {error}")
            return None

    return CardFacts(
        name=name,
        owner=owner,
        description=read_description(serving_model.path / "exact"),
        verdict=read(Verdict, blessing),
        index=read(IndexReport, serving_model),
        data=read(DatasetMetadata, transformed_examples),
        training=read(TrainingReport, model),
        towers=_towers(model),
        metrics=read(Metrics, evaluation),
        changes=None if catalogue is None else read(CatalogueChanges, catalogue),
    )


def _towers(model: Model) -> ModelConfig | None:
    """Settings of the towers; None if another release exported them with other settings."""
    try:
        return ModelConfig.model_validate(read_configuration(model.path / "towers")["model"])
    except (OSError, ValueError, KeyError):
        return None
