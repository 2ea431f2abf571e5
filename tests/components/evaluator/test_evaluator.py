"""A small world computed by hand: six candidates a…f; the model has learnt only that d follows c."""

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

import components.evaluator.baselines
from components.evaluator import EvaluationConfig, Evaluator, EvaluatorParams, unusable_slices
from dataplane.artifacts import Blessing, Evaluation, Model, TransformedExamples, TransformGraph
from dataplane.artifacts.answers import Answers
from dataplane.artifacts.transformed_examples import DatasetMetadata
from dataplane.dataset.sequences import SPLITS, Dataset, Entities, Events, Split, write_dataset
from dataplane.errors import DataError, RefusedError
from models.spec.features import EncodedColumn, EncodedSpec, FeatureSpec
from models.spec.progress import Advanced, Report
from tests.components.tiny_towers import save_towers
from tests.contexts import in_process

A, B, C, D, E, F = range(6)
AT = (1, 5, 100)
FEATURES = FeatureSpec.model_validate(
    {
        "query": {"gender": {"type": "categorical"}, "age": {"type": "numeric"}},
        "context": {"at": {"type": "timestamp", "parts": ["weekday"]}},
        "candidate": {"genres": {"type": "categorical", "max_values": 2}},
        "history": {"max_length": 2},
    }
)
COMEDY, DRAMA = 2, 3


def column(*values: int) -> np.ndarray:
    return np.array(values, np.int32)[:, None]


def events(*queries: dict[Split, list[int]]) -> Events:
    """Events of each query in the order of the splits; the context of event i is token i + 1."""
    rows = [
        [(c, SPLITS.index(split)) for split in ("train", "validation", "test") for c in q.get(split, [])]
        for q in queries
    ]
    flat = [event for row in rows for event in row]
    return Events(
        offsets=np.cumsum([0, *map(len, rows)]),
        candidate=np.array([candidate for candidate, _ in flat], np.int32),
        split=np.array([split for _, split in flat], np.int8),
        timestamp=np.arange(len(flat), dtype=np.int64) * 1_000_000,
        context={"at_weekday": column(*(i % 7 + 1 for i in range(len(flat))))},
    )


WORLD = events(
    {"train": [A, B], "validation": [C], "test": [D]},
    {"train": [A, C], "validation": [B], "test": [E]},
    {"train": [A], "validation": [B], "test": [A]},  # comes back to what it has seen
    {"test": [F, B, F]},  # new, and wants one candidate twice
)


def dataset(of: Events = WORLD) -> Dataset:
    queries = len(of.offsets) - 1
    return Dataset(
        events=of,
        queries=Entities(
            pa.array([f"q{i}" for i in range(queries)], pa.large_string()),
            {"gender": column(*([2, 3, 2, 0] * queries)[:queries])},
        ),
        candidates=Entities(
            pa.array(list("abcdef"), pa.large_string()),
            {
                "candidate_id": column(2, 3, 4, 5, 6, 7),
                "genres": np.array([[2, 0], [2, 3], [3, 0], [3, 0], [0, 0], [1, 0]], np.int32),
            },
        ),
        train_count=np.bincount(of.candidate[of.split == 0], minlength=6),
        metadata=DatasetMetadata(ordered=True, split={"type": "files"}),
    )


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> TransformGraph:
    graph = TransformGraph(tmp_path_factory.mktemp("graph"))

    def tokens(feature: str, width: int = 1) -> EncodedColumn:
        return EncodedColumn(feature=feature, kind="tokens", width=width, vocabulary_size=10)

    spec = EncodedSpec(
        features=FEATURES,
        query={"gender": tokens("gender"), "age": EncodedColumn(feature="age", kind="dense", width=1)},
        context={"at_weekday": tokens("at")},
        candidate={"candidate_id": tokens("candidate_id"), "genres": tokens("genres", 2)},
    )
    graph.write_json("spec.json", spec.model_dump(mode="json", exclude_unset=True))
    (graph.path / "vocabularies").mkdir()
    for name, values in {"query.gender": ["F", "M"], "candidate.genres": ["Comedy", "Drama"]}.items():
        table = pa.table({"value": values, "count": pa.array(range(len(values)), pa.int64())})
        pq.write_table(table, graph.path / "vocabularies" / f"{name}.parquet")
    return graph


def towers(path: Path, weights: np.ndarray) -> Model:
    return save_towers(path, weights, width=2, query_columns=("gender", "at_weekday"), candidate_columns=("genres",))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    weights = np.zeros((8, 8))
    weights[C + 2, D + 2] = 1
    return towers(tmp_path_factory.mktemp("model"), weights)


class Run:
    """An evaluation of some events in its own directory."""

    def __init__(
        self, path: Path, graph: TransformGraph, model: Model, *, of: Dataset | None = None, **params: Any
    ) -> None:
        self.evaluation, self.blessing = Evaluation(path / "evaluation"), Blessing(path / "blessing")
        examples = TransformedExamples(path / "examples")
        write_dataset(examples, of or dataset())
        evaluator = Evaluator(EvaluatorParams.model_validate(params))
        self.reports: list[Report] = []
        self.facts = evaluator.execute(
            Evaluator.Inputs(transformed_examples=examples, transform_graph=graph, model=model),
            Evaluator.Outputs(evaluation=self.evaluation, blessing=self.blessing),
            in_process(scratch=path / "scratch", progress=self.reports.append),
        )
        self.metrics = self.evaluation.read_json("metrics.json")
        self.blessed = self.blessing.read_json("blessing.json")


CONFIG = {
    "at": AT,
    "main_at": 5,
    "slices": ("gender", "at", "genres"),
    "thresholds": {"recall@1": 0.3, "ndcg@5": 0.9},
    "min_lift_over_popularity": {"mrr@5": 1.5, "recall@1": 2},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, graph: TransformGraph, model: Model) -> Run:
    return Run(tmp_path_factory.mktemp("run"), graph, model, evaluation=CONFIG)


def test_metrics_are_those_computed_by_hand(run: Run) -> None:
    # q0 finds d first. q1 wants e, behind d and, tied, f. q2 only wants what it has seen. q3 has no history, so all
    # six tie, and b and f stand behind the four it does not want.
    test = run.metrics["test"]
    gain = 1 / math.log2(6) / (1 + 1 / math.log2(3))
    assert test["recall@1"] == pytest.approx(1 / 3)
    assert test["recall@5"] == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert test["recall@100"] == 1
    assert test["hit_rate@5"] == 1
    assert test["mrr@5"] == pytest.approx((1 + 1 / 3 + 1 / 5) / 3)
    assert test["ndcg@5"] == pytest.approx((1 + 1 / 2 + gain) / 3)
    assert test["map@5"] == pytest.approx((1 + 1 / 3 + 1 / 5 / 2) / 3)
    assert test["coverage@1"] == pytest.approx(2 / 6)  # d, d, a
    assert test["popularity_bias@1"] == 0  # nobody trained on d


def test_validation_does_not_see_later_events(run: Run) -> None:
    # q0 wants c behind d, e, f; q1 wants b behind d (after c), e, f; q2 wants b behind c, d, e, f.
    assert run.metrics["validation"]["mrr@5"] == pytest.approx((1 / 4 + 1 / 4 + 1 / 5) / 3)
    assert run.metrics["protocol"]["validation"]["seen"] == ["train", "history"]
    assert run.metrics["protocol"]["test"]["seen"] == ["train", "validation", "history"]


def test_baselines_are_measured_on_the_same_events(run: Run) -> None:
    # Training counts: a 3, b 1, c 1. q0 and q1 see three candidates of count 0; q3 wants b (behind a, c) and f (last).
    popularity = run.metrics["baselines"]["popularity"]
    assert popularity["mrr@5"] == pytest.approx((1 / 3 + 1 / 3 + 1 / 3) / 3)
    assert popularity["recall@1"] == 0
    # Only a, b, c have similarities at all: as popularity for q0 and q1; q3 has no history.
    assert run.metrics["baselines"]["item_knn"]["mrr@5"] == pytest.approx((1 / 3 + 1 / 3 + 1 / 5) / 3)
    assert all(values.keys() == run.metrics["test"].keys() for values in run.metrics["baselines"].values())


def test_the_protocol_lists_what_was_left_out(run: Run) -> None:
    protocol = run.metrics["protocol"]
    assert protocol["test"] == {
        "events": 6,
        "queries": 3,
        "relevant": 4,
        "repeated_in_split_merged": 1,
        "already_seen_dropped": 1,
        "queries_without_events": 0,
        "queries_with_only_seen_candidates": 1,
        "seen": ["train", "validation", "history"],
        "window": ["1970-01-01T00:00:03+00:00", "1970-01-01T00:00:13+00:00"],
    }
    assert protocol["catalogue"] == {"candidates": 6, "without_training_events": 3, "date": "1970-01-01T00:00:13+00:00"}
    assert protocol["history_length"] == 2
    assert "k = 100 exceeds the 6 candidates and is clipped to them" in protocol["notes"]
    assert any("1 held-out candidates were seen before" in note for note in protocol["notes"])


def test_slices_have_counts_and_metrics(run: Run) -> None:
    slices = run.metrics["slices"]
    assert {name: part["queries"] for name, part in slices["history_length"].items()} == {"0": 1, "1-4": 2}
    assert slices["history_length"]["0"]["mrr@5"] == pytest.approx(1 / 5)
    assert slices["query"]["new"] == {
        "queries": 1,
        **{k: v for k, v in slices["history_length"]["0"].items() if "@" in k},
    }
    assert slices["query"]["known"]["queries"] == 2
    # Pairs: d at rank 1, e at 3, f at 6 have no training event; b at 5 has one.
    assert slices["candidate"]["known"] == {
        "pairs": 1,
        "recall@5": 1.0,
        "ndcg@5": pytest.approx(1 / math.log2(6)),
        "mrr@5": pytest.approx(1 / 5),
    }
    assert slices["candidate"]["new"]["pairs"] == 3
    assert slices["candidate"]["new"]["recall@5"] == pytest.approx(2 / 3)


def test_slices_by_feature_use_the_values_names(run: Run) -> None:
    features = run.metrics["slices"]["features"]
    assert {name: part["queries"] for name, part in features["gender"].items()} == {"F": 1, "M": 1, "(missing)": 1}
    assert features["gender"]["F"]["recall@5"] == 1
    # The first held-out events of the three are number 3, 7 and 11 of all; a week has 7 days.
    assert {name: part["queries"] for name, part in features["at_weekday"].items()} == {"1": 1, "4": 1, "5": 1}
    # Relevant pairs: d drama; e without genre; f of an unknown one; b both.
    assert {name: part["pairs"] for name, part in features["genres"].items()} == {
        "Comedy": 1,
        "Drama": 2,
        "(out of vocabulary)": 1,
        "(missing)": 1,
    }


def test_blessing_lists_every_check(run: Run) -> None:
    assert not run.blessed["blessed"]
    ndcg, mrr = run.metrics["test"]["ndcg@5"], run.metrics["test"]["mrr@5"]
    checks = [dict(check) for check in run.blessed["checks"]]
    messages = [check.pop("message") for check in checks]
    assert checks == [
        {"name": "threshold", "metric": "recall@1", "value": pytest.approx(1 / 3), "threshold": 0.3, "passed": True},
        {"name": "threshold", "metric": "ndcg@5", "value": ndcg, "threshold": 0.9, "passed": False},
        {
            "name": "lift_over_popularity",
            "metric": "mrr@5",
            "value": pytest.approx(mrr / (1 / 3)),
            "threshold": 1.5,
            "passed": True,
        },
        # Popularity has no hit, so there is no ratio; one hit is better than that.
        {"name": "lift_over_popularity", "metric": "recall@1", "value": None, "threshold": 2, "passed": True},
        {
            "name": "not_worse_than_published",
            "metric": "ndcg@5",
            "value": None,
            "threshold": None,
            "passed": True,
            "skipped": "there is no directory of published models, or there are no raw examples",
        },
    ]
    low, high = run.metrics["intervals"]["test"]["ndcg@5"]
    assert messages[1] == (
        f"ndcg@5 {ndcg:.4f} ({low:.4f} … {high:.4f}), at least 0.9 required: refused (evaluation.thresholds)"
    )
    assert f"mrr@5 {mrr:.4f} against popularity's 0.3333: {mrr - 1 / 3:+.4f}" in messages[2]
    assert messages[2].endswith("at least 1.5 times popularity required: passed")


def test_by_default_a_model_must_beat_popularity(run: Run, tmp_path: Path, graph: TransformGraph, model: Model) -> None:
    gates = {"at": AT, "main_at": 5}
    better = Run(tmp_path / "better", graph, model, evaluation=gates)
    assert better.blessed["blessed"]
    assert [check["name"] for check in better.blessed["checks"]] == [
        "better_than_popularity",
        "not_worse_than_published",
    ]
    assert better.blessed["notes"] == [
        "validation: only 3 queries choose the model; differences may be chance",
        "test: 1 of 6 events are not measured, because their queries had the candidates before; 1 of 4 queries have no "
        "others. If queries return to candidates, set remove_seen: false",
        "test: only 3 queries are measured; differences may be chance",
    ]
    assert better.facts["notes"] == better.blessed["notes"][1:]
    # Where candidates seen before stay, the most popular one is what q2 comes back to.
    worse = Run(tmp_path / "worse", graph, model, remove_seen=False, evaluation=gates)
    (check,) = (check for check in worse.blessed["checks"] if not check["passed"])
    ours, theirs = worse.metrics["test"]["ndcg@5"], worse.metrics["baselines"]["popularity"]["ndcg@5"]
    low, high = worse.metrics["intervals"]["test_minus_popularity"]["ndcg@5"]
    assert check["message"] == (
        f"ndcg@5 {ours:.4f} against popularity's {theirs:.4f}: {ours - theirs:+.4f} ({low:.4f} … {high:.4f}), "
        "must exceed popularity: refused (evaluation.min_lift_over_popularity)"
    )
    assert worse.blessed["table"]["popularity"]["ndcg@5"] == theirs


EVERY_GATE_OFF = {"at": AT, "main_at": 5, "min_lift_over_popularity": None, "min_lift_over_published": None}


BACK_AGAIN = events(
    {"train": [A, B], "validation": [C], "test": [D]},
    {"train": [A, B], "test": [A, B, A]},
    {"train": [B, C], "test": [C]},
    {"train": [B, A], "validation": [C], "test": [C, B]},
)
"""Three of four queries come back to what they had, in six of seven events."""


def test_most_queries_unmeasured_is_no_blessing(tmp_path: Path, graph: TransformGraph, model: Model) -> None:
    gates = EVERY_GATE_OFF | {"max_unmeasured_fraction": 0.7}
    refused = Run(tmp_path / "refused", graph, model, of=dataset(BACK_AGAIN), evaluation=gates)
    assert not refused.blessed["blessed"]
    (check,) = refused.blessed["checks"]
    assert (check["name"], check["value"], check["threshold"]) == ("unmeasured_queries", 0.75, 0.7)
    assert any("6 of 7 events are not measured" in note for note in refused.facts["notes"])
    for expected in (
        "3 of 4 queries",
        "6 of 7 test events",
        "remove_seen: false",
        "evaluation.max_unmeasured_fraction",
    ):
        assert expected in check["message"]
    assert refused.metrics["not_measured"]["test"] == {
        "events": 7,
        "seen_before": 6,
        "queries": 4,
        "queries_without": 3,
    }
    kept = Run(tmp_path / "kept", graph, model, of=dataset(BACK_AGAIN), evaluation=gates, remove_seen=False)
    assert kept.blessed["blessed"]
    assert kept.metrics["not_measured"]["test"]["seen_before"] == 0


def test_a_metric_that_only_a_gate_names_has_an_interval_too(
    tmp_path: Path, graph: TransformGraph, model: Model
) -> None:
    gates = {"at": AT, "main_at": 5, "thresholds": {"map@1": 0.1, "coverage@1": 0.1}}
    evaluated = Run(tmp_path, graph, model, evaluation=gates)
    messages = [check["message"] for check in evaluated.blessed["checks"][:2]]
    assert messages[0].startswith("map@1 0.3333 (0.0000 … 1.0000), at least 0.1")
    assert messages[1].startswith("coverage@1 0.3333, at least 0.1")


def test_facts_show_the_main_metrics_beside_popularity(run: Run) -> None:
    assert run.facts["queries"] == 3
    assert run.facts["blessed"] is False
    for row in ("test", "popularity", "item_knn"):
        assert list(run.facts[row]) == ["recall@5", "hit_rate@5", "ndcg@5", "mrr@5"]
    assert run.facts["popularity"]["mrr@5"] == run.metrics["baselines"]["popularity"]["mrr@5"]


def test_intervals_surround_the_means(run: Run) -> None:
    low, high = run.metrics["intervals"]["test"]["mrr@5"]
    assert low < run.metrics["test"]["mrr@5"] < high
    low, high = run.metrics["intervals"]["test_minus_popularity"]["mrr@5"]
    assert low < run.metrics["test"]["mrr@5"] - run.metrics["baselines"]["popularity"]["mrr@5"] < high


def test_values_of_each_query_are_kept(run: Run) -> None:
    table = pq.read_table(run.evaluation.path / "per_query.parquet")
    assert table["query_id"].to_pylist() == ["q0", "q1", "q3"]
    assert table["mrr@5"].to_pylist() == pytest.approx([1, 1 / 3, 1 / 5])
    assert table["popularity.mrr@5"].to_pylist() == pytest.approx([1 / 3] * 3)


def test_progress_names_what_is_ranked(run: Run) -> None:
    for ranker in ("two-tower", "item_knn"):
        told = run.reports.index(f"test: {ranker} ranks 3 queries")
        assert run.reports[told + 1] == Advanced(3, 3, "queries")


def test_running_again_gives_the_same_bytes(run: Run, tmp_path: Path, graph: TransformGraph, model: Model) -> None:
    again = Run(tmp_path, graph, model, evaluation=CONFIG)
    for name in ("metrics.json", "per_query.parquet"):
        assert (again.evaluation.path / name).read_bytes() == (run.evaluation.path / name).read_bytes()


def test_repeat_consumption_counts_when_seen_candidates_stay(
    tmp_path: Path, graph: TransformGraph, model: Model
) -> None:
    run = Run(tmp_path, graph, model, remove_seen=False, evaluation={"at": AT, "main_at": 5})
    # q2's history b, a leads nowhere: a, which it comes back to, ties with all others.
    assert run.metrics["protocol"]["test"]["queries"] == 4
    assert run.metrics["protocol"]["test"]["already_seen_dropped"] == 0
    assert run.metrics["test"]["mrr@100"] == pytest.approx((1 + 1 / 6 + 1 / 6 + 1 / 5) / 4)
    # a is the most popular and is not removed.
    assert run.metrics["baselines"]["popularity"]["recall@1"] == pytest.approx(1 / 4)


def test_no_hit_does_not_beat_a_popularity_without_hits(tmp_path: Path, graph: TransformGraph, model: Model) -> None:
    only = dataset(events({"train": [A, B], "test": [E]}))
    lift = {"min_lift_over_popularity": {"recall@1": 0}, "at": (1,), "main_at": 1}
    run = Run(tmp_path, graph, model, of=only, evaluation=lift)
    assert run.blessed["checks"][0]["passed"] is False
    assert run.metrics["validation"] == {}
    assert any(note.startswith("validation: no query has a relevant") for note in run.metrics["protocol"]["notes"])


def test_the_protocol_notes_data_without_order(tmp_path: Path, graph: TransformGraph, model: Model) -> None:
    world = dataset()
    bag = replace(world, events=replace(world.events, timestamp=None), metadata=DatasetMetadata(ordered=False))
    protocol = Run(tmp_path, graph, model, of=bag).metrics["protocol"]
    assert protocol["ordered"] is False
    assert protocol["test"]["window"] is None
    assert any("unordered set" in note for note in protocol["notes"])


def test_the_protocol_notes_histories_that_contain_later_events(
    tmp_path: Path, graph: TransformGraph, model: Model
) -> None:
    in_time = dataset(events({"train": [A, B], "validation": [C], "test": [D]}, {"train": [B]}))
    shuffled = replace(in_time, events=replace(in_time.events, split=np.array([0, 2, 1, 0, 0], np.int8)))
    for name, world, expected in (("in_time", in_time, []), ("shuffled", shuffled, ["validation: 1", "test: 1"])):
        notes = Run(tmp_path / name, graph, model, of=world).metrics["protocol"]["notes"]
        assert [note.partition(" held-out events are")[0] for note in notes if "not by time" in note] == expected


def test_only_new_queries_have_no_popularity_bias(tmp_path: Path, graph: TransformGraph, model: Model) -> None:
    run = Run(tmp_path, graph, model, of=dataset(events({"train": [A, B]}, {"test": [B]})))
    assert not any(name.startswith("popularity_bias") for name in run.metrics["test"])
    assert any("no popularity_bias" in note for note in run.metrics["protocol"]["notes"])


def test_item_knn_beyond_its_budget_is_skipped_with_a_reason(
    tmp_path: Path, graph: TransformGraph, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(components.evaluator.baselines, "MAX_CO_OCCURRENCES", 8)
    run = Run(tmp_path, graph, model)
    assert run.metrics["baselines"]["item_knn"] == {
        "skipped": "it would take 9 pairs of events of the same query, more than the limit of 8"
    }
    assert run.facts["item_knn"] == run.metrics["baselines"]["item_knn"]
    assert run.metrics["baselines"]["popularity"]["recall@10"] == 1


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_model_with_nan_embeddings_is_refused(tmp_path: Path, graph: TransformGraph, number: float) -> None:
    broken = towers(tmp_path / "model", np.full((8, 8), number))
    with pytest.raises(
        RefusedError,
        match=r"query embeddings have NaN or infinite values; the first is that of query 'q0'(.|\n)*diverged",
    ):
        Run(tmp_path, graph, broken, evaluation=EVERY_GATE_OFF)
    assert Blessing(tmp_path / "blessing").read_json("blessing.json")["blessed"] is False


def test_scores_beyond_float32_are_refused(tmp_path: Path, graph: TransformGraph) -> None:
    huge = towers(tmp_path / "model", np.full((8, 8), 1.5e38))
    with pytest.raises(RefusedError, match=r"scores can overflow float32: query embeddings are up to [0-9.]+e.38"):
        Run(tmp_path, graph, huge, evaluation=EVERY_GATE_OFF)


def test_equal_query_embeddings_are_refused_with_the_table(tmp_path: Path, graph: TransformGraph) -> None:
    dead = towers(tmp_path / "model", np.tile(np.arange(8.0), (8, 1)) * 1e6)  # what a query is, hardly counts
    alike: list[dict[Split, list[int]]] = [{"train": [A, c], "test": [D]} for c in (B, C, E, F)]
    same = dataset(events(*alike))
    with pytest.raises(RefusedError) as refusal:
        Run(tmp_path, graph, dead, of=same, evaluation=EVERY_GATE_OFF)
    message = str(refusal.value)
    assert "all 4 query embeddings are equal although their histories or features differ" in message
    assert re.search(r"popularity +item_knn", message)
    assert "No setting publishes such a model" in message
    verdict = Blessing(tmp_path / "blessing").read_json("blessing.json")
    assert verdict["blessed"] is False
    assert verdict["table"]["two-tower"]["ndcg@5"] == pytest.approx((1 / math.log2(4) + 1 / math.log2(3)) / 2)
    assert Evaluation(tmp_path / "evaluation").read_json("metrics.json")["collapsed"].startswith("all 4 query")


@pytest.mark.parametrize("queries", [({"train": [A, B], "validation": [C]},), ({"train": [A], "test": [A]},)])
def test_nothing_to_measure_on_is_an_error(
    tmp_path: Path, graph: TransformGraph, model: Model, queries: tuple[dict[Split, list[int]], ...]
) -> None:
    with pytest.raises(DataError, match="no query has a relevant candidate among its test events"):
        Run(tmp_path, graph, model, of=dataset(events(*queries)))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"thresholds": {"recal@10": 0.1}}, "'thresholds' has unknown metric 'recal@10'; allowed: recall@1, recall@5"),
        ({"thresholds": {"recall@7": 0.1}}, "unknown metric 'recall@7'"),
        ({"thresholds": {"popularity_bias@10": 0.1}}, "unknown metric 'popularity_bias@10'"),
        ({"min_lift_over_popularity": {"loss": 1}}, "'min_lift_over_popularity' has unknown metric 'loss'"),
        ({"thresholds": {"recall@10": 5}}, "less than or equal to 1"),
        ({"min_lift_over_popularity": {"recall@10": -1}}, "greater than or equal to 0"),
        ({"min_lift_over_popularity": {"recall@10": 1}, "baselines": []}, "needs 'popularity' among 'baselines'"),
        ({"min_lift_over_popularity": "never"}, "Input should be 'auto'"),
        ({"min_lift_over_published": True}, "should be a valid dictionary"),
        ({"min_lift_over_published": {"coverage@10": 1}}, "'min_lift_over_published' cannot compare 'coverage@10'"),
        ({"at": [20, 50]}, "'main_at' is 10, which is not among 'at': 20, 50"),
        ({"at": [10, 10]}, "has a duplicate entry"),
        ({"at": []}, "at least one"),
        ({"at": [0, 10]}, "greater than or equal to 1"),
        ({"baselines": ["item_knn", "random"]}, "'popularity' or 'item_knn'"),
        ({"max_unmeasured_fraction": 1.5}, "less than or equal to 1"),
        ({"threshold": {}}, "unknown key 'threshold'"),
    ],
)
def test_impossible_configurations_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        EvaluationConfig.model_validate(config)
    assert message in str(error.value)


def test_every_metric_allowed_in_a_threshold_exists(run: Run) -> None:
    with pytest.raises(ValidationError) as error:
        EvaluationConfig.model_validate({"at": AT, "main_at": 5, "thresholds": {"x": 0}})
    allowed = str(error.value).partition("allowed: ")[2].partition(" [")[0].split(", ")
    assert set(allowed) <= set(run.metrics["test"])
    assert len(allowed) == 6 * len(AT)


def test_slices_need_features_with_distinct_values() -> None:
    assert unusable_slices(("gender", "at", "genres", "candidate_id"), FEATURES) == []
    assert unusable_slices(("age", "country"), FEATURES) == [
        "'age' is a feature without distinct values; allowed: gender, at, candidate_id, genres",
        "'country' is not a feature; allowed: gender, at, candidate_id, genres",
    ]


def test_answers_are_written_beside_the_metrics(run: Run) -> None:
    answers = Answers.read(run.evaluation)
    assert (answers.k, answers.queries) == (5, 3)
    found = {it.query_id: it for it in answers.examples}
    assert found["q0"].answers[0] == "d"
    assert found["q0"].history == ("c", "b", "a")
