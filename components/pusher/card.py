"""Makes a model card from the recorded facts about a model; equal facts give equal cards.

Seconds, latencies and moments of execution are left out, because they differ between two runs on equal data.
"""

import hashlib
import json
import re
from collections.abc import Iterator

from components.pusher.card_facts import CardFacts
from components.pusher.card_metrics import performance_metrics
from dataplane.artifacts.document import JsonValue
from dataplane.artifacts.evaluation import ServedMetrics
from dataplane.artifacts.identity import Identity
from dataplane.artifacts.model_card import (
    Considerations,
    Dataset,
    Described,
    License,
    ModelCard,
    ModelDetails,
    ModelParameters,
    ModelVersion,
    Owner,
    QuantitativeAnalysis,
    Reference,
    Risk,
    SensitiveData,
)
from dataplane.artifacts.transformed_examples import DatasetMetadata
from dataplane.verdict import check_text
from models.spec.config import ModelConfig, TowerConfig
from models.spec.features import FeatureSpec, Side
from serving.model.descriptions import InputSpec

_SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_SPLITS = ("train", "validation", "test")


def make_card(facts: CardFacts) -> ModelCard:
    """Makes the card."""
    owner = facts.owner
    return ModelCard(
        model_details=ModelDetails(
            name=facts.name,
            overview=owner.overview or _overview(facts),
            documentation="\n".join(_documentation(facts)) or None,
            owners=tuple(Owner(name=it.name, contact=it.contact) for it in owner.owners),
            version=ModelVersion(name=version_name(facts.description.identity), diff=_diff(facts)),
            licenses=() if owner.license is None else (_license(owner.license),),
            references=tuple(Reference(reference=link) for link in owner.references),
        ),
        model_parameters=ModelParameters(
            model_architecture="; ".join(_architecture(facts)),
            data=tuple(_datasets(facts)),
            input_format="; ".join(_inputs(facts)),
            output_format=f"candidate_ids: string [batch, k]; scores: float32 [batch, k]; the best first; k = "
            f"{facts.description.top_k}",
        ),
        quantitative_analysis=QuantitativeAnalysis(performance_metrics=tuple(performance_metrics(facts))),
        considerations=Considerations(
            users=_described(owner.intended_users),
            use_cases=_described(owner.use_cases),
            limitations=_described((*owner.limitations, *_limitations(facts))),
            tradeoffs=_described((*owner.tradeoffs, *_tradeoffs(facts))),
            ethical_considerations=tuple(
                Risk(name=it.name, mitigation_strategy=it.mitigation) for it in owner.ethical_considerations
            ),
        ),
    )


def version_name(identity: Identity) -> str:
    """A short name of a model's content. The number of a published version is a moment, and a rollback has another."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def _overview(facts: CardFacts) -> str:
    candidates, until = _shown(facts.description.identity.get("candidates")), _until(facts)
    trained = f", fitted to {facts.training.events:,} events" if facts.training else ""
    return f"Two-tower retrieval model over {candidates} candidates{trained}{f' until {until}' if until else ''}."


def _until(facts: CardFacts) -> str | None:
    return facts.description.data.until if facts.description.data else None


def _documentation(facts: CardFacts) -> Iterator[str]:
    """The outcome of every gate, then the protocol of the measurement."""
    for check in facts.verdict.checks if facts.verdict else ():
        yield check_text(check)
    if facts.metrics is not None:
        intervals = facts.metrics.intervals
        yield f"intervals: bootstrap, {intervals.level:.0%} of {intervals.resamples:,} resamples of the queries"
        for name, definition in facts.metrics.protocol.definitions.items():
            yield f"{name}: {definition}"


def _diff(facts: CardFacts) -> str | None:
    if facts.changes is not None:
        changes = f"{facts.changes.added:,} candidates added, {facts.changes.removed:,} removed"
        return f"the index of model {version_name(facts.changes.refresh_of)} over another catalogue: {changes}"
    served = facts.metrics.published if facts.metrics else None
    if not isinstance(served, ServedMetrics):
        return None
    differences = (f"{name} {served.model[name] - served.test[name]:+.4f}" for name in served.intervals)
    return f"against version {served.version} on {served.queries:,} queries: {', '.join(differences)}"


def _license(text: str) -> License:
    return License(identifier=text) if _SPDX.fullmatch(text) else License(custom_text=text)


def _architecture(facts: CardFacts) -> Iterator[str]:
    features, towers, training = _features(facts), facts.towers, facts.training
    dimension = facts.description.identity.get("dimension")
    yield "two towers; score: dot product of embeddings" + (f" of length {_shown(dimension)}" if dimension else "")
    if features is not None:
        history = [f"history of {features.history.max_length} events"] if features.history else []
        yield f"query tower: {', '.join([*history, *_named(features, 'query'), *_named(features, 'context')])}"
        yield f"candidate tower: {', '.join(_named(features, 'candidate'))}"
    if towers is not None:
        yield from _layers(towers)
    if training is not None:
        yield f"{training.parameters:,} parameters"
        yield f"loss: {training.loss}, temperature {training.temperature:g}, {training.labels} labels"
        yield f"{training.steps:,} steps of {training.batch_size:,} events"
    if facts.index is not None:
        if facts.index.known_queries is not None:
            yield f"stored in the model: ids, features and histories of {facts.index.known_queries.text}"
        settings = facts.index.settings
        tree = f" of {settings.leaves:,} leaves, {settings.leaves_to_search:,} searched" if settings else ""
        yield f"index: {facts.index.search.replace('_', ' ')}{tree}"


def _features(facts: CardFacts) -> FeatureSpec | None:
    try:
        return facts.description.feature_spec()
    except ValueError:  # settings of another release
        return None


def _named(features: FeatureSpec, side: Side) -> list[str]:
    return [f"{name} ({feature.type})" for name, feature in features.of(side).items()]


def _layers(towers: ModelConfig) -> Iterator[str]:
    yield f"history encoder: {towers.history_encoder.type}"
    yield f"layers of the query tower: {_tower(towers.query_tower)}"
    yield f"layers of the candidate tower: {_tower(towers.query_tower if towers.siamese else towers.candidate_tower)}"
    yield f"embeddings scaled to length 1: {'yes' if towers.score == 'cosine' else 'no'}"


def _tower(tower: TowerConfig) -> str:
    cross = [f"{tower.cross_layers} cross"] if tower.cross_layers else []
    hidden = [f"{width} {tower.activation}" for width in tower.layers]
    return ", ".join([*cross, *hidden, "linear projection" if tower.projection else "no projection"])


def _datasets(facts: CardFacts) -> Iterator[Dataset]:
    for source in facts.owner.data:
        sensitive = SensitiveData(sensitive_data=source.sensitive) if source.sensitive else None
        yield Dataset(name=source.name, link=source.link, sensitive=sensitive)
    if facts.data is None:
        return
    for split in _SPLITS:
        if facts.data.counts.get(split):
            yield Dataset(name=split, description=f"{facts.data.counts[split]:,} events{_about(facts.data, split)}")


def _about(data: DatasetMetadata, split: str) -> str:
    """Sizes and range in time of all events, with the training events; the method of the split, with the others."""
    method = data.split_method
    if split != "train":
        return f", held out by {method}" if method else ""
    sizes = [
        f"{count:,} {name}" for name, count in (("queries", data.queries), ("candidates", data.candidates)) if count
    ]
    times = f"; all events: {data.time_range[0]} to {data.time_range[1]}" if data.time_range else ""
    return (f" of {', '.join(sizes)}" if sizes else "") + times


def _inputs(facts: CardFacts) -> Iterator[str]:
    for name, signature in facts.description.signatures.items():
        inputs = ", ".join(f"{key} {_input(spec)}" for key, spec in signature.inputs.items())
        yield f"{name}: {inputs or 'no input'}"


def _input(spec: InputSpec) -> str:
    sizes = ("any" if size is None else str(size) for size in spec.shape[1:])
    return f"{spec.dtype} [{', '.join(['batch', *sizes])}]"


def _limitations(facts: CardFacts) -> Iterator[str]:
    """What the records say against the model."""
    if facts.data is not None and facts.data.final:
        yield "the metrics are those of the same model without the held-out events; this one is fitted to all events"
    if facts.changes is not None:
        yield "the metrics are those of the training's catalogue; this one has another"
    if facts.metrics is not None:
        catalogue = facts.metrics.protocol.catalogue
        if catalogue.without_training_events:
            without = f"{catalogue.without_training_events:,} of {catalogue.candidates:,} candidates"
            yield f"{without} have no training event"
        for split, held_out in facts.metrics.not_measured.items():
            if held_out.queries_without:
                queries = f"{held_out.queries_without:,} of {held_out.queries:,} queries with held-out events"
                yield f"{split}: {queries} have nothing left to measure"
        yield from facts.metrics.protocol.notes
    yield from facts.training.notes if facts.training else ()
    yield from facts.verdict.notes if facts.verdict else ()


def _tradeoffs(facts: CardFacts) -> Iterator[str]:
    if facts.description.remove_seen:
        yield "candidates in a query's history are not recommended again"
    if facts.index is not None:
        for name, recall in facts.index.recall.items():
            yield f"{name} of the index against exact search: {recall:.4f}"


def _described(texts: tuple[str, ...]) -> tuple[Described, ...]:
    return tuple(Described(description=text) for text in dict.fromkeys(texts))


def _shown(value: JsonValue) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
