"""Static data with clear tastes, and Trainers that fit them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from components.base import ExecutionContext
from components.trainer import Trainer, TrainerParams
from components.trainer.data import event_data
from dataplane.artifacts import Model, TransformedExamples, TransformGraph
from dataplane.artifacts.transformed_examples import DatasetMetadata
from dataplane.dataset.sequences import Dataset, Entities, Events, Split, write_dataset
from models.ragged import offsets_of
from models.spec.config import TrainingConfig
from models.spec.features import CANDIDATE_ID, EncodedColumn, EncodedSpec, FeatureSpec
from models.towers.towers import CandidateTower, QueryTower
from models.training.closed_form import closed_form_towers, spectrum_of
from models.training.spectrum import Form

ITEMS, QUERIES, TASTES = 120, 400, 6
SPEC = EncodedSpec(
    features=FeatureSpec(),
    query={},
    context={},
    candidate={CANDIDATE_ID: EncodedColumn(feature=CANDIDATE_ID, kind="tokens", width=1, vocabulary_size=ITEMS + 2)},
)
PARAMS = TrainerParams(training=TrainingConfig(method="closed_form"))


def tastes() -> Dataset:
    """Queries like every sixth item; a quarter of their events is for validation. The last item is new."""
    random = np.random.default_rng(0)
    alike = np.arange(ITEMS) % TASTES == random.integers(TASTES, size=QUERIES)[:, None]
    chosen = random.random((QUERIES, ITEMS)) < np.where(alike, 0.6, 0.02)
    chosen[:, -1] = False
    candidate = np.nonzero(chosen)[1].astype(np.int32)
    split = (random.random(len(candidate)) < 0.25).astype(np.int8)
    tokens = np.arange(2, ITEMS + 2, dtype=np.int32)[:, None]
    tokens[-1] = 1
    return Dataset(
        events=Events(offsets=offsets_of(chosen.sum(axis=1)), candidate=candidate, split=split, context={}),
        queries=Entities(pa.array([f"q{row}" for row in range(QUERIES)]), {}),
        candidates=Entities(pa.array([f"c{row:03}" for row in range(ITEMS)]), {CANDIDATE_ID: tokens}),
        train_count=np.bincount(candidate[split == 0], minlength=ITEMS),
        metadata=DatasetMetadata(ordered=False),
    )


def run(
    path: Path, params: TrainerParams = PARAMS, reference: Model | None = None, dataset: Dataset | None = None
) -> Model:
    examples, graph = TransformedExamples(path / "examples"), TransformGraph(path / "graph")
    write_dataset(examples, dataset or tastes())
    graph.write_json("spec.json", SPEC.model_dump(mode="json"))
    model = Model(path / "model")
    inputs = Trainer.Inputs(examples, graph, reference)
    Trainer(params).execute(inputs, Trainer.Outputs(model), ExecutionContext())
    return model


def towers_of(dataset: Dataset, splits: list[Split], report: Mapping[str, Any]) -> tuple[QueryTower, CandidateTower]:
    """The towers of the reported form, made of the events of some splits."""
    form = Form(report["embedding_dim"], report["exponent"])
    data = event_data(dataset.events.select(splits), dataset, SPEC, use_weights=False)
    found = spectrum_of(data, items=ITEMS + 2, rank=form.width, seed=PARAMS.seed)
    tokens = dataset.candidates.columns[CANDIDATE_ID][:, 0]
    return closed_form_towers(SPEC, found, form, candidate_tokens=tokens, ordered=False)
