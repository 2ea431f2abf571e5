"""Starts a training from the weights of an earlier model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from models.spec.config import ModelConfig
from models.spec.features import EncodedColumn, EncodedSpec, Side
from models.spec.warm_start_config import WarmStart
from models.towers.encoders import table_width
from models.towers.towers import CandidateTower, QueryTower, build_towers
from models.training.alignment import Alignment, Alignments
from models.training.batches import Columns
from models.training.new_rows import predict_new_rows
from models.training.two_tower import LearnedTemperature, TwoTower

_VALUE = ".ATTRIBUTES/VARIABLE_VALUE"
_ITERATIONS = f"optimizer/_iterations/{_VALUE}"
_TEMPERATURE = f"temperature/log/{_VALUE}"


@dataclass(frozen=True)
class Carried:
    """What a training took over.

    Attributes:
        optimizer: whether that includes the optimiser's state.
        predicted: number of new ids that start from a prediction, by `side.column`.
    """

    optimizer: bool
    predicted: Mapping[str, int]


NOTHING_BUT_ROWS = Carried(optimizer=False, predicted={})


@dataclass(frozen=True)
class Base:
    """An earlier model, whose weights a training starts from.

    Attributes:
        directory: directory of its checkpoint.
        spec: its encoded columns.
        config: settings of its towers.
        ordered: whether its events had an order.
        alignments: of each column of tokens with the new vocabulary.
        settings: what is carried.
    """

    directory: Path
    spec: EncodedSpec
    config: ModelConfig
    ordered: bool
    alignments: Alignments
    settings: WarmStart

    def towers(self) -> tuple[QueryTower, CandidateTower]:
        """Its towers with their weights.

        Raises:
            ValueError: the checkpoint is missing, damaged, or of other towers.
        """
        query, candidate = build_towers(self.spec, self.config, ordered=self.ordered)
        checkpoint = tf.train.Checkpoint(query_tower=query, candidate_tower=candidate)
        try:
            checkpoint.read(self._file()).assert_existing_objects_matched().expect_partial()
        except (tf.errors.OpError, AssertionError, ValueError) as error:
            raise ValueError(f"its checkpoint does not have the weights of its towers: {_first_line(error)}") from None
        return query, candidate

    def carry(self, model: TwoTower, spec: EncodedSpec, entities: Mapping[Side, Columns]) -> Mapping[str, int]:
        """Gives a model the weights; returns the number of predicted rows by `side.column`.

        Args:
            model: the new model.
            spec: its encoded columns, see `fixed_widths`.
            entities: encoded columns of all queries and candidates.

        Raises:
            ValueError: the checkpoint is missing, damaged, or of other towers.
        """
        keys = self._keys(model)
        own = (*model.query_tower.trainable_variables, *model.candidate_tower.trainable_variables)
        query, candidate = self.towers()
        earlier = (*query.trainable_variables, *candidate.trainable_variables)
        for variable, value in zip(own, earlier, strict=True):
            if variable.ref() in keys:
                variable.assign(keys[variable.ref()].rows(value.numpy()))
            elif self.settings.towers == "carry":
                variable.assign(value)
        reader, temperature = self._reader(), model.memories["temperature"]
        if isinstance(temperature, LearnedTemperature) and reader.has_tensor(_TEMPERATURE):
            temperature.log.assign(reader.get_tensor(_TEMPERATURE))
        if self.settings.new_ids == "unknown":
            return {}
        return predict_new_rows(spec, (model.query_tower, model.candidate_tower), self.alignments, entities)

    def _keys(self, model: TwoTower) -> dict[object, Alignment]:
        """The alignment of each table's variable."""
        tables = (*model.query_tower.tables(), *model.candidate_tower.tables())
        return {it.layer.embeddings.ref(): self.alignments[it.side, it.column] for it in tables}

    def optimizer_state(self, model: TwoTower, *, moments: int) -> list[np.ndarray] | None:
        """The variables of the base's optimiser, aligned: its count of steps, then the moments of each weight.

        Args:
            model: the new model.
            moments: number of variables that its optimiser keeps for each weight.

        Returns:
            None if the state is not carried: because of the settings or the model's memories, or because the base had
            another optimiser.
        """
        reader, weights = self._reader(), model.trainable_variables
        remembers = any(part is not None for name, part in model.memories.items() if name != "temperature")
        names = [f"optimizer/_variables/{place}/{_VALUE}" for place in range(1, len(weights) * moments + 2)]
        alike = all(map(reader.has_tensor, names[:-1])) and not reader.has_tensor(names[-1])
        if "reset" in (self.settings.optimizer, self.settings.towers) or remembers or not alike:
            return None
        state, keys = [reader.get_tensor(_ITERATIONS)], self._keys(model)
        for place, name in enumerate(names[:-1]):
            weight, value = weights[place // moments], reader.get_tensor(name)
            alignment = keys.get(weight.ref())
            state.append(value if alignment is None else alignment.known_rows(value))
            if state[-1].shape != tuple(weight.shape):
                return None
        return state

    def _reader(self) -> Any:
        return tf.train.load_checkpoint(self._file())

    def _file(self) -> str:
        found = tf.train.latest_checkpoint(str(self.directory))
        if found is None:
            raise ValueError(f"there is no checkpoint in {self.directory}")
        return str(found)


def restore_optimizer(model: TwoTower, state: Sequence[np.ndarray]) -> None:
    """Gives the optimiser of a compiled model the state that `Base.optimizer_state` returned."""
    with model.distribute_strategy.scope():
        model.optimizer.build(model.trainable_variables)
    for variable, value in zip(model.optimizer.variables, state, strict=True):
        variable.assign(value)


def fixed_widths(spec: EncodedSpec, base: EncodedSpec, *, widest: int) -> EncodedSpec:
    """A specification whose embeddings are as wide as those of the base, also where a width grows with the vocabulary.

    Args:
        spec: the encoded columns.
        base: those of the base; it has the same columns.
        widest: maximum width of an embedding whose feature does not set one.
    """

    def fixed(name: str, column: EncodedColumn, earlier: Mapping[str, EncodedColumn]) -> EncodedColumn:
        if column.kind != "tokens":
            return column
        return column.model_copy(update={"embedding_dim": table_width(earlier[name], widest=widest)})

    sides: tuple[Side, ...] = ("query", "context", "candidate")
    return spec.model_copy(
        update={
            side: {name: fixed(name, column, base.of(side)) for name, column in spec.of(side).items()} for side in sides
        }
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
