"""Predicts the embeddings of new ids from the other features of their queries or candidates."""

from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf

from models.spec.features import CANDIDATE_ID, EncodedSpec, IdFeature, Side
from models.towers.encoders import OOV_TOKEN, Table
from models.towers.towers import CandidateTower, QueryTower
from models.training.alignment import Alignment, Alignments
from models.training.batches import Columns

_PENALTIES = tuple(10.0**power for power in range(-3, 5))
"""Ridge penalties to compare, in units of the mean squared feature times the number of rows / 1000."""
_MOST = 50_000
"""Most rows that a regression is fitted to."""
_SLICE = 8192


def predict_new_rows(
    spec: EncodedSpec,
    towers: tuple[QueryTower, CandidateTower],
    alignments: Alignments,
    entities: Mapping[Side, Columns],
) -> dict[str, int]:
    """Fills the rows of new ids, where a regression from the other features beats the out-of-vocabulary row.

    Only tables of ids whose entities have other features are filled: the candidate ids of both towers, and ids among
    the query features.

    Args:
        spec: the encoded columns.
        towers: with the carried rows.
        alignments: of all tables.
        entities: encoded columns of all queries and candidates, each `[rows, width]`.

    Returns:
        Number of predicted rows by `side.column`.
    """
    predicted: dict[str, int] = {}
    for table in _tables_of_ids(spec, towers):
        others = [name for name in spec.of(table.side) if name != table.column]
        alignment, columns = alignments[table.side, table.column], entities[table.side]
        if not others or not alignment.new:
            continue
        tower = towers[table.side == "candidate"]
        tokens = columns[table.column][:, 0]
        features = np.concatenate(list(_features(tower, columns, others)))
        predicted[f"{table.side}.{table.column}"] = _fill(table.layer.embeddings, tokens, features, alignment)
    return predicted


def _tables_of_ids(spec: EncodedSpec, towers: tuple[QueryTower, CandidateTower]) -> Iterator[Table]:
    query, candidate = towers
    yield Table("candidate", CANDIDATE_ID, candidate.items)
    if query.items is not candidate.items:
        yield Table("candidate", CANDIDATE_ID, query.items)
    for name, layer in query.features.tables().items():
        if name in spec.query and isinstance(spec.features.query[spec.query[name].feature], IdFeature):
            yield Table("query", name, layer)


def _features(tower: QueryTower | CandidateTower, columns: Columns, names: list[str]) -> Iterator[np.ndarray]:
    for first in range(0, len(columns[names[0]]), _SLICE):
        inputs = {name: tf.convert_to_tensor(columns[name][first : first + _SLICE]) for name in names}
        yield tf.concat(tower.features.vectors(inputs, names), axis=1).numpy()


def _fill(table: tf.Variable, tokens: np.ndarray, features: np.ndarray, alignment: Alignment) -> int:
    """Predicts the new rows of a table; returns their number, 0 if the regression is no better than the unknown row."""
    values = table.numpy()
    own = np.bincount(tokens, minlength=len(values))[tokens] == 1  # shared rows stand for no entity
    usable, wanted = np.flatnonzero(own & alignment.known[tokens]), np.flatnonzero(own & ~alignment.known[tokens])
    usable = usable[:: max(1, len(usable) // _MOST)]
    if len(usable) <= features.shape[1] or not len(wanted):
        return 0
    weights, error = ridge(features[usable], values[tokens[usable]])
    unknown = values[OOV_TOKEN]
    if error >= float(np.square(values[tokens[usable]] - unknown).sum()):
        return 0
    values[tokens[wanted]] = _with_ones(features[wanted]) @ weights
    table.assign(values)
    return len(wanted)


def ridge(features: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, float]:
    """Ridge regression with an intercept, whose penalty has the least leave-one-out error (Allen's PRESS).

    Args:
        features: float `[rows, n]`.
        targets: float `[rows, dim]`.

    Returns:
        Weights float64 `[n + 1, dim]`, the intercept last, and the squared leave-one-out error, summed over all values.
    """
    inputs = features.astype(np.float64)
    centre, middle = inputs.mean(axis=0), targets.mean(axis=0, dtype=np.float64)
    inputs -= centre
    outputs = targets - middle
    squares, rotation = np.linalg.eigh(inputs.T @ inputs)
    rotated, projected = inputs @ rotation, rotation.T @ (inputs.T @ outputs)
    unit = max(float(np.square(inputs).mean()) * len(inputs) / 1000, 1e-12)
    best_error, best = np.inf, projected
    for penalty in _PENALTIES:
        inverse = 1 / (np.maximum(squares, 0) + penalty * unit)
        residuals = outputs - rotated @ (inverse[:, None] * projected)
        leverage = np.square(rotated) @ inverse + 1 / len(inputs)
        error = float(np.square(residuals / np.maximum(1 - leverage, 1e-6)[:, None]).sum())
        if error < best_error:
            best_error, best = error, rotation @ (inverse[:, None] * projected)
    return np.vstack([best, middle - centre @ best]), best_error


def _with_ones(features: np.ndarray) -> np.ndarray:
    return np.hstack([features, np.ones((len(features), 1))])
