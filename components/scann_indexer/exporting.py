"""Exports the two serving models of a chosen index, with their descriptions and expected answers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypedDict

import pyarrow as pa
import tensorflow as tf

from components.scann_indexer.executor import EXPECTED_QUERIES, ChosenIndex, Embedded, Subject
from components.scann_indexer.known_queries import known_queries, known_queries_digest, known_queries_report
from components.scann_indexer.query_index import vectors_digest
from dataplane.artifacts import Examples
from dataplane.artifacts.identity import Identity
from dataplane.artifacts.serving_model import ExpectedAnswer, ExpectedAnswers, KnownQueriesReport
from dataplane.artifacts.transform_graph import read_spec
from dataplane.errors import DataError
from models.ranking.ranking import CandidateLists, EmbeddingScorer, best_candidates
from models.retrieval.candidate_ids import CandidateIds
from models.retrieval.index import Search
from models.retrieval.known_queries import KnownQueries
from models.retrieval.serving import ServingModule, SignatureFamily, export
from models.retrieval.signatures import Specs
from models.retrieval.where import Attributes, WhereSignatures
from models.spec.features import FeatureSpec
from models.spec.selection import Filter, renamed_columns
from serving.model.candidate_attributes import attributes_digest, read_attributes
from serving.model.descriptions import FittedTo, InputSpec, ModelDescription, Signature, write_description
from serving.model.item_columns import columns_digest, item_columns, write_item_columns
from serving.model.version_digests import PROMISE, write_digests
from serving.model.warm_up import write_warm_up


@dataclass(frozen=True)
class _Stored:
    """What the models hold of the candidate table and of the queries; None for nothing."""

    items: pa.Table | None
    attributes: Attributes | None
    known: KnownQueries | None

    def families(self) -> list[SignatureFamily]:
        """The optional signatures that use it."""
        where = None if self.attributes is None else WhereSignatures(self.attributes, known=self.known)
        return [family for family in (self.known, where) if family is not None]


def expected_answers(subject: Subject, embedded: Embedded) -> ExpectedAnswers:
    """Computes the right answers to some stored queries, with the code of evaluation instead of serving."""
    queries = embedded.queries[:EXPECTED_QUERIES]
    none = CandidateLists.empty(len(queries))
    seen = subject.catalogue.seen(0, len(queries)) if subject.params.remove_seen else none
    scorer = EmbeddingScorer(queries, embedded.exact.matrix)
    rows, scores = best_candidates(scorer, excluded=seen, count=subject.top_k)
    return ExpectedAnswers(
        tuple(
            ExpectedAnswer(
                query_id=subject.dataset.queries.ids[query].as_py(),
                candidate_ids=subject.ids.take(pa.array(found[found >= 0])).to_pylist(),
                scores=[float(score) for score in given[found >= 0]],
            )
            for query, (found, given) in enumerate(zip(rows, scores, strict=True))
        )
    )


class Exported(TypedDict):
    """What was measured of the exported models; fields of IndexReport."""

    bytes: dict[str, int]
    known_queries: KnownQueriesReport | None


def export_models(
    subject: Subject, embedded: Embedded, chosen: ChosenIndex, directory: Path, *, examples: Examples | None
) -> Exported:
    """Saves `exact/` and `scann/`, with the same identity, below `directory`.

    Args:
        subject: the data and the model.
        embedded: the embedded candidates.
        chosen: the index.
        directory: where the models go.
        examples: the candidate table, for the columns that are stored with the models.
    """
    features = read_spec(subject.graph).features
    preprocessing = tf.saved_model.load(str(subject.graph.path / "saved_model"))
    towers = tf.saved_model.load(str(subject.model.path / "towers"))
    candidate_ids = CandidateIds(subject.ids.to_numpy(zero_copy_only=False))
    stored = _Stored(_items(subject, examples), _attributes(subject, examples), known_queries(subject, chosen))
    description = _description(subject, embedded, chosen, features, stored)
    searches: dict[str, Search] = {"exact": embedded.exact, "scann": chosen.tuned.search}
    for name, search in searches.items():
        subject.context.progress(f"exporting the {name} model")
        module = ServingModule(
            preprocessing=preprocessing,
            towers=towers,
            features=features,
            candidate_ids=candidate_ids,
            search=search,
            top_k=subject.top_k,
            remove_seen=subject.params.remove_seen,
            queries=None if chosen.query_index is None else chosen.query_index.queries[name],
            families=stored.families(),
        )
        export(module, directory / name)
        imports = ("scann",) if name == "scann" else ()
        signatures = {name: Signature(inputs=_input_specs(specs)) for name, specs in module.inputs.items()}
        described = description.model_copy(update={"imports": imports, "signatures": signatures})
        write_description(directory / name, described)
        write_warm_up(directory / name, described, candidate=subject.ids[0].as_py())
        if stored.items is not None:
            write_item_columns(directory / name, stored.items)
        write_digests(directory / name)
    return Exported(
        bytes={name: _size(directory / name) for name in searches},
        known_queries=None if stored.known is None else known_queries_report(stored.known),
    )


def _items(subject: Subject, examples: Examples | None) -> pa.Table | None:
    """The columns of the candidates that are stored with the models; None if there are none."""
    params = subject.params
    columns = [*([params.display] if params.display else []), *params.item_columns]
    if examples is None or not columns:
        return None
    items = item_columns(examples, subject.ids, columns, params.display)
    if missing := sorted({*columns} - {*items.column_names}):
        subject.context.progress(f"not stored, because the candidate table lacks them: {', '.join(missing)}")
    return items


def _attributes(subject: Subject, examples: Examples | None) -> Attributes | None:
    """The attributes by which requests select; None if the models have no such signatures."""
    config = subject.params.index
    if not config.selects:
        return None
    if not config.attribute_columns:
        return Attributes(len(subject.ids))
    if examples is None:
        raise DataError("index.filters and index.max_per need a candidate table (data.candidates)")
    return read_attributes(examples, subject.ids, filters=config.offered_filters, max_per=config.max_per)


def _description(
    subject: Subject, embedded: Embedded, chosen: ChosenIndex, features: FeatureSpec, stored: _Stored
) -> ModelDescription:
    metadata, params = subject.dataset.metadata, subject.params
    return ModelDescription(
        identity=_identity(subject, embedded, chosen, stored),
        refresh_of=subject.catalogue.refresh_of,
        top_k=subject.top_k,
        remove_seen=params.remove_seen,
        libraries={name: version(name) for name in ("tensorflow", "scann")},
        data=FittedTo(
            split=metadata.split,
            seed=metadata.seed,
            final=metadata.final,
            until=metadata.time_range and metadata.time_range[1],
        ),
        **PROMISE,
        features=features.model_dump(mode="json", exclude_unset=True),
        **({} if stored.attributes is None else _filters(stored.attributes, params.index.offered_filters)),
    )


def _filters(attributes: Attributes, filters: Mapping[str, Filter]) -> dict[str, Any]:
    """What a description tells of the filters."""
    return {"filters": attributes.kinds, "filter_columns": renamed_columns(filters)}


def _identity(subject: Subject, embedded: Embedded, chosen: ChosenIndex, stored: _Stored) -> Identity:
    settings, query_index = chosen.tuned.search.settings, chosen.query_index
    return {
        **subject.digests,
        "catalogue": vectors_digest(subject.ids, embedded.exact.matrix),
        "candidates": len(subject.ids),
        "queries": None if query_index is None else dict(query_index.identity),
        "dimension": embedded.exact.dimension,
        "index": None if settings is None else asdict(settings),
        "top_k": subject.top_k,
        "remove_seen": subject.params.remove_seen,
        **({} if stored.items is None else {"item_columns": columns_digest(stored.items)}),
        **({} if stored.attributes is None else {"attributes": attributes_digest(stored.attributes)}),
        **({"known_queries": known_queries_digest(subject)} if subject.params.known_queries else {}),
    }


def _input_specs(specs: Specs) -> dict[str, InputSpec]:
    return {name: InputSpec(dtype=spec.dtype.name, shape=tuple(spec.shape.as_list())) for name, spec in specs.items()}


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
