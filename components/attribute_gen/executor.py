"""Replaces the attributes in copies of both serving models."""

import shutil
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.base import ExecutionContext
from dataplane.artifacts import Examples, ServingModel
from dataplane.errors import RefusedError
from dataplane.shards import shards_of
from models.retrieval.where import Attributes, WhereSignatures
from models.saved_models.replacing import replace_variables
from models.spec.features import CANDIDATE_ID
from models.spec.selection import RECOMMEND_WHERE, max_per_input, renamed_columns
from serving.model.candidate_attributes import attributes_digest, read_attributes
from serving.model.descriptions import ModelDescription, read_description, write_description
from serving.model.item_columns import columns_digest, item_columns, write_item_columns
from serving.model.version_digests import write_digests

if TYPE_CHECKING:
    from components.attribute_gen.params import AttributeGenParams

_WHERE = "families/where"


def refresh_attributes(
    params: "AttributeGenParams",
    ids: pa.Array,
    examples: Examples,
    published: ServingModel,
    refreshed: ServingModel,
    context: ExecutionContext,
) -> dict[str, Any]:
    """Writes both models with the attributes of the ingested table.

    Args:
        params: parameters of AttributeGen.
        ids: ids of the served candidates.
        examples: has the table.
        published: the models whose attributes are replaced.
        refreshed: where the models go.
        context: receives progress.

    Returns:
        The numbers of served candidates, of those that the table lacks, and of rows that are not served.

    Raises:
        DataError: see `read_attributes`.
        RefusedError: the models have other filters, or too many candidates are missing from the table.
    """
    _refuse_other_filters(params, read_description(published.path / "exact"))
    counts = _counts(params, ids, examples)
    attributes = read_attributes(examples, ids, filters=params.filters, max_per=params.max_per)
    columns = [*([params.display] if params.display else []), *params.item_columns]
    items = item_columns(examples, ids, columns, params.display) if columns else None
    shutil.copytree(published.path, refreshed.path, dirs_exist_ok=True)
    for name in ("exact", "scann"):
        context.progress(f"writing the attributes of the {name} model")
        model = refreshed.path / name
        replace_variables(model, _WHERE, WhereSignatures(attributes))
        if items is not None:
            write_item_columns(model, items)
        write_description(model, _described(read_description(model), params, attributes, items))
        write_digests(model)
    return counts


def _described(
    description: ModelDescription, params: "AttributeGenParams", attributes: Attributes, items: pa.Table | None
) -> ModelDescription:
    identity = {**description.identity, "attributes": attributes_digest(attributes)}
    if items is not None:
        identity["item_columns"] = columns_digest(items)
    columns = renamed_columns(params.filters)
    return description.model_copy(
        update={"identity": identity, "refresh_of": params.refresh_of, "filter_columns": columns}
    )


def _refuse_other_filters(params: "AttributeGenParams", description: ModelDescription) -> None:
    signature = description.signatures.get(RECOMMEND_WHERE)
    inputs = signature.inputs if signature else {}
    prefix = max_per_input("")
    there = {**description.filters, **{name: "" for name in inputs if name.startswith(prefix)}}
    wanted = {name: it.kind for name, it in params.filters.items()} | {
        max_per_input(name): "" for name in params.max_per
    }
    if there != wanted or not wanted:
        found, asked = (", ".join(sorted(names)) or "none" for names in (there, wanted))
        raise RefusedError(
            f"the published model has the attributes {found}, the configuration names {asked}: new attributes need a "
            "new index; use refresh-index without --attributes-only"
        )


def _counts(params: "AttributeGenParams", ids: pa.Array, examples: Examples) -> dict[str, Any]:
    shards = shards_of(examples.path / "candidates")
    known = pa.chunked_array([pq.read_table(file, columns=[CANDIDATE_ID])[CANDIDATE_ID].cast(pa.large_string())
                              .combine_chunks() for file in shards], pa.large_string())  # fmt: skip
    served = int(pc.sum(pc.is_in(ids.cast(pa.large_string()), value_set=known)).as_py() or 0)
    missing = len(ids) - served
    if missing > params.max_removed_fraction * len(ids):
        raise RefusedError(
            f"{missing:,} of the {len(ids):,} served candidates are missing from the new table of {len(known):,}, more "
            f"than refresh.max_removed_fraction ({params.max_removed_fraction:g}) allows; is the table complete?"
        )
    return {"candidates": len(ids), "without_row": missing, "not_served": len(known) - served}
