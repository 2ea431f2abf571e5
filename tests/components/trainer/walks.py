"""Queries that walk from item to item, and trainings on them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import tensorflow as tf

from components.base import ExecutionContext
from components.trainer import Trainer, TrainerParams
from dataplane.artifacts import Model, TransformedExamples, TransformGraph
from dataplane.artifacts.transformed_examples import DatasetMetadata
from dataplane.dataset.sequences import Dataset, Entities, Events, write_dataset
from models.spec.config import ModelConfig, TrainingConfig
from models.spec.features import EncodedColumn, EncodedSpec, FeatureSpec
from serving.model.identities import part_digest

ITEMS, QUERIES, LENGTH = 30, 80, 10
SPEC = EncodedSpec(
    features=FeatureSpec.model_validate({"history": {"max_length": 4}, "context": {"device": {"type": "categorical"}}}),
    query={},
    context={"device": EncodedColumn(feature="device", kind="tokens", width=1, vocabulary_size=4)},
    candidate={
        "candidate_id": EncodedColumn(feature="candidate_id", kind="tokens", width=1, vocabulary_size=ITEMS + 2)
    },
)
PARAMS = TrainerParams(
    model=ModelConfig(embedding_dim=16, temperature=0.1),
    training=TrainingConfig(batch_size=64, learning_rate=0.02, max_epochs=6),
)


def walks() -> Dataset:
    """Every query walks from item to item. Its last event is for test, the one before for validation."""
    random = np.random.default_rng(0)
    candidate = (random.integers(0, ITEMS, QUERIES)[:, None] + np.arange(LENGTH)) % ITEMS
    split = np.zeros((QUERIES, LENGTH), np.int8)
    split[:, -2:] = [1, 2]
    device = random.integers(0, 4, (QUERIES * LENGTH, 1)).astype(np.int32)
    events = Events(
        offsets=np.arange(0, QUERIES * LENGTH + 1, LENGTH),
        candidate=candidate.ravel().astype(np.int32),
        split=split.ravel(),
        context={"device": device},
    )
    return Dataset(
        events=events,
        queries=Entities(pa.array([f"q{row}" for row in range(QUERIES)]), {}),
        candidates=Entities(
            pa.array([f"c{row:02}" for row in range(ITEMS)]),
            {"candidate_id": np.arange(2, ITEMS + 2, dtype=np.int32)[:, None]},
        ),
        train_count=np.bincount(candidate[:, :-2].ravel(), minlength=ITEMS),
        metadata=DatasetMetadata(ordered=True),
    )


def with_split(dataset: Dataset, split: np.ndarray) -> Dataset:
    return replace(dataset, events=replace(dataset.events, split=split.astype(np.int8)))


def run(
    path: Path,
    dataset: Dataset,
    params: TrainerParams = PARAMS,
    reference: Model | None = None,
    context: ExecutionContext | None = None,
) -> Model:
    path.mkdir()
    examples, graph = TransformedExamples(path / "examples"), TransformGraph(path / "graph")
    write_dataset(examples, dataset)
    graph.write_json("spec.json", SPEC.model_dump(mode="json"))
    model = Model(path / "model")
    Trainer(params).execute(
        Trainer.Inputs(examples, graph, reference), Trainer.Outputs(model), context or ExecutionContext()
    )
    return model


def weights(model: Model) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(str(model.path / "checkpoints"))
    names = reader.get_variable_to_shape_map()
    return {
        name: reader.get_tensor(name) for name in names if "OBJECT_GRAPH" not in name and "save_counter" not in name
    }


def identity(model: Model) -> str:
    return part_digest(model.path / "towers")
