"""Exports the served model of a large catalogue, in a process of its own."""

import math
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.harness.processes import answer
from benchmarks.retrieval.served_model import FEATURES, TOP_K, Towers, candidate_id
from benchmarks.retrieval.tasks import Saved, SaveTask
from benchmarks.retrieval.vectors import clustered
from models.preprocessing.feature_preprocessing import FeatureStatistics
from models.preprocessing.preprocessing import Preprocessing
from models.retrieval.candidate_ids import CandidateIds
from models.retrieval.index import ExactSearch
from models.retrieval.scann_index import ScannSearch
from models.retrieval.serving import ServingModule, export
from models.spec.features import Side
from models.spec.tree_settings import TreeSettings


def save(task: SaveTask) -> Saved:
    """Builds a tree without choosing among settings, and exports the model that serves it."""
    ids = [candidate_id(row) for row in range(task.candidates)]
    _preprocessing(ids, task.directory).save(task.directory / "preprocessing")
    clusters = round(math.sqrt(task.candidates))
    exact = ExactSearch(clustered(task.candidates, clusters=clusters, seed=0))
    settings = _tree(clusters)
    began = time.perf_counter()
    search = ScannSearch(exact, settings)
    built = time.perf_counter()
    module = ServingModule(
        preprocessing=tf.saved_model.load(str(task.directory / "preprocessing")),
        towers=Towers(exact.embeddings),
        features=FEATURES,
        candidate_ids=CandidateIds(np.array(ids)),
        search=search,
        top_k=TOP_K,
        remove_seen=True,
    )
    target = task.directory / "scann"
    export(module, target)
    return Saved(
        build_seconds=built - began,
        export_seconds=time.perf_counter() - built,
        disk_mib=sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) / (1 << 20),
        leaves_to_search=settings.leaves_to_search,
        reorder=settings.reorder,
    )


def _preprocessing(ids: list[str], directory: Path) -> Preprocessing:
    statistics: dict[Side, dict[str, FeatureStatistics]] = {
        "query": {"country": FeatureStatistics(vocabulary=["nl", "de"]), "age": FeatureStatistics(mean=40, std=10)},
        "context": {},
        "candidate": {"candidate_id": FeatureStatistics(vocabulary=ids)},
    }
    return Preprocessing(FEATURES, statistics, assets=directory / "assets")


def _tree(leaves: int) -> TreeSettings:
    return TreeSettings(
        leaves=leaves,
        leaves_to_search=math.ceil(0.08 * leaves),
        anisotropic_threshold=0.2,
        dimensions_per_block=1,
        reorder=3 * TOP_K,
        training_sample=100_000,
        answers=TOP_K,
    )


if __name__ == "__main__":
    answer(SaveTask, save)
