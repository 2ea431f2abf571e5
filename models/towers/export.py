"""Exports the towers as a SavedModel of stock operations, for evaluation, indexing and serving."""

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from models.saved_models.configuration import write_configuration
from models.spec.config import ModelConfig
from models.spec.features import EncodedSpec
from models.towers.towers import CandidateTower, QueryTower, candidate_signature, query_signature


class Towers(tf.Module):
    """Both towers in inference mode, as functions with fixed signatures.

    `embed_query` takes encoded query and context columns `[rows, width]` and `history` `[rows, length]`;
    `embed_candidate` encoded candidate columns; both return float32 `[rows, dim]`. The score of a pair is the dot
    product of its embeddings.

    Args:
        spec: the encoded columns.
        query_tower: embeds queries.
        candidate_tower: embeds candidates.
    """

    def __init__(self, spec: EncodedSpec, query_tower: QueryTower, candidate_tower: CandidateTower) -> None:
        super().__init__()
        self.query_tower = query_tower
        self.candidate_tower = candidate_tower

        def embed_query(inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
            return query_tower(inputs)

        def embed_candidate(inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
            return candidate_tower(inputs)

        self.embed_query = tf.function(embed_query, input_signature=[query_signature(spec)], autograph=False)
        self.embed_candidate = tf.function(
            embed_candidate, input_signature=[candidate_signature(spec)], autograph=False
        )


def export_towers(
    spec: EncodedSpec,
    query_tower: QueryTower,
    candidate_tower: CandidateTower,
    path: Path,
    *,
    config: ModelConfig,
    ordered: bool,
) -> None:
    """Writes `Towers` to the directory `path`.

    Args:
        spec: the encoded columns.
        query_tower: embeds queries.
        candidate_tower: embeds candidates.
        path: directory to create.
        config: the settings of both towers.
        ordered: whether events have an order.
    """
    tf.saved_model.save(Towers(spec, query_tower, candidate_tower), str(path))
    # Only training uses the temperature, and it may be the result of a choice (`auto`).
    settings = config.model_dump(mode="json", exclude_defaults=True, exclude={"temperature"})
    columns = spec.model_dump(mode="json", exclude_defaults=True)
    write_configuration(path, {"model": settings, "columns": columns, "ordered": ordered})
