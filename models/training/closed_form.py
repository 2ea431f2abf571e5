"""Towers whose tables come from a spectrum of the interactions, without training."""

import numpy as np

from models.spec.config import ModelConfig, TowerConfig
from models.spec.features import CANDIDATE_ID, EncodedSpec
from models.towers.towers import CandidateTower, CommonVector, QueryTower, build_towers
from models.training.batches import TrainingData
from models.training.spectrum import Form, Interactions, Spectrum, spectrum

WIDTHS = (768, 512, 256, 128, 64)
"""Lengths of the embeddings that validation compares where the configuration names none."""
EXPONENTS = (0.0, 0.5, 1.0)
"""Exponents of the singular values that validation compares."""
_MAX_VALUES = 1 << 28
"""Most values of a table of ids, 1 GB, that a closed form takes unasked."""


def widths_to_try(model: ModelConfig, data: TrainingData, *, items: int) -> list[int]:
    """Lengths of the embeddings to compare on validation, the widest first.

    Args:
        model: names the length, unless it is `auto`.
        data: the training events.
        items: rows of the table of ids.
    """
    if model.embedding_dim != "auto":
        return [model.embedding_dim]
    most = min((len(data.offsets) - 1) // 2, items // 2, _MAX_VALUES // items)
    return [width for width in WIDTHS if width <= most] or [WIDTHS[-1]]


def closed_form_model(width: int) -> ModelConfig:
    """The settings of towers that a closed form fills."""
    bare = TowerConfig(projection=False)
    return ModelConfig(
        embedding_dim=width,
        query_tower=bare,
        candidate_tower=bare,
        score="dot",
        share_item_embedding=False,
        temperature=1.0,
    )


def spectrum_of(data: TrainingData, *, items: int, rank: int, seed: int, start: np.ndarray | None = None) -> Spectrum:
    """The spectrum of the training events, an item for each row of the table of ids.

    Args:
        data: the training events; those of weight 0 do not count, and other weights are not used.
        items: rows of the table of ids.
        rank: number of dimensions.
        seed: decides the start of the iteration.
        start: vectors near the result, see `spectrum`.
    """
    tokens = data.candidates[CANDIDATE_ID][:, 0]
    interactions = Interactions.of_events(data.offsets, tokens[data.candidate], items, data.weight)
    return spectrum(interactions, rank=rank, seed=seed, start=start)


def closed_form_towers(
    spec: EncodedSpec, found: Spectrum, form: Form, *, candidate_tokens: np.ndarray, ordered: bool
) -> tuple[QueryTower, CandidateTower]:
    """Builds the towers and fills their tables.

    The query vector is the mean of the history's vectors, plus a small vector that ranks by popularity, for queries
    without a history. If events are ordered, recent ones weigh more, as in `models.towers.encoders.HistoryPooling`.

    Args:
        spec: the encoded columns; only the history and the candidate id are read.
        found: of the training events.
        form: length of the embeddings and exponent of the singular values.
        candidate_tokens: token of each candidate, `[candidates]`.
        ordered: whether events have an order.
    """
    query, candidate = build_towers(spec, closed_form_model(form.width), ordered=ordered)
    shared_by = np.bincount(candidate_tokens, minlength=len(found.degrees))
    query.items.embeddings.assign(found.history_table(form))
    candidate.items.embeddings.assign(found.candidate_table(form, shared_by))
    assert isinstance(query.projection, CommonVector)
    query.projection.vector.assign(found.popularity(form)[None, :])
    return query, candidate


def vectors_of(query: QueryTower, candidate: CandidateTower) -> np.ndarray:
    """The vectors of the items behind both tables, up to a factor for each row, `[items, width]`.

    The tables are E·d^-½ and E·d^½, so their product is E² whatever the degrees d were.
    """
    history, own = query.items.embeddings.numpy(), candidate.items.embeddings.numpy()
    vectors: np.ndarray = np.sign(history) * np.sqrt(np.abs(history * own))
    return vectors
