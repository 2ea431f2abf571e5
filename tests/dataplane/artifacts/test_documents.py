"""Each document as files have it: read and written without a change, and refused by name where it is another's."""

import json
from pathlib import Path
from typing import Any

import pytest

from dataplane.artifacts import Artifact, TransformGraph
from dataplane.artifacts.anomalies import AnomalyList, Newest
from dataplane.artifacts.answers import Answers
from dataplane.artifacts.blessing import Verdict
from dataplane.artifacts.catalogue import CatalogueChanges
from dataplane.artifacts.document import Document, Rooted
from dataplane.artifacts.evaluation import Metrics
from dataplane.artifacts.examples import IngestSummary
from dataplane.artifacts.infra_blessing import InfraVerdict
from dataplane.artifacts.model import TrainingReport
from dataplane.artifacts.pushed_model import Push
from dataplane.artifacts.serving_model import ExpectedAnswers, IndexReport
from dataplane.artifacts.statistics import StatisticsReport
from dataplane.artifacts.transform_graph import read_spec
from dataplane.artifacts.transformed_examples import DatasetMetadata
from dataplane.errors import RunError, UnreadableDocumentError

SETTINGS = {
    "leaves": 8, "leaves_to_search": 2, "anisotropic_threshold": 0.2, "dimensions_per_block": 1, "reorder": 10,
    "training_sample": 100, "answers": 10,
}  # fmt: skip
TIMES = {"load_seconds": 1.5, "warm_up_seconds": 0.5, "memory_bytes": 1000, "latency_ms": 2.0}
SPLIT_FACTS = {
    "events": 4, "queries": 2, "relevant": 3, "repeated_in_split_merged": 1, "already_seen_dropped": 0,
    "queries_without_events": 0, "queries_with_only_seen_candidates": 0, "seen": ["train"], "window": None,
}  # fmt: skip
MEANS = {"recall@10": 0.5}
HELD_OUT = {"events": 4, "seen_before": 0, "queries": 2, "queries_without": 0}
METRICS = {
    "collapsed": "all alike",
    "published": {
        "version": 3, "towers": "digest", "queries": 2, "test": MEANS, "model": MEANS,
        "intervals": {"recall@10": [0.1, 0.2]},
    },
    "test": MEANS,
    "validation": {},
    "baselines": {"popularity": MEANS, "item_knn": {"skipped": "too many pairs"}},
    "intervals": {"level": 0.95, "resamples": 1000, "test": {"recall@10": [0.1, 0.2]}},
    "slices": {"history_length": {"0": {"queries": 2, "recall@10": 0.5}}, "query": {}, "candidate": {}, "features": {}},
    "not_measured": {"validation": HELD_OUT, "test": HELD_OUT},
    "protocol": {
        "remove_seen": True, "ordered": True, "history_length": None,
        "catalogue": {"candidates": 5, "without_training_events": 1, "date": None},
        "validation": SPLIT_FACTS, "test": SPLIT_FACTS | {"window": ["2026-01-01", "2026-01-02"]},
        "split": {"method": "time"}, "definitions": {"ties": "last"}, "notes": ["few"],
    },
}  # fmt: skip
CHECK = {"name": "threshold", "metric": "recall@10", "value": 0.5, "threshold": 0.4, "passed": True}
DOCUMENTS: list[tuple[type[Document | Rooted], Any]] = [
    (Answers, {
        "k": 10, "queries": 2, "recommended": 3, "bands": [{"candidates": 1, "training_events": 9, "answers": 2}],
        "favourites": [{"candidate_id": "a", "answers": 2}],
        "map": {"explained": [0.6, 0.3], "places": [{"candidate_id": "a", "x": -0.5, "y": 1.25}]},
        "examples": [{
            "query_id": "q", "history": ["b"], "answers": ["a", "c"],
            "wanted": [{"candidate_id": "c", "rank": 2}, {"candidate_id": "d", "rank": None}],
        }],
    }),
    (IngestSummary, {
        "tables": {"queries": {"in": 9, "out": 8, "dead": 1, "filtered": 0, "merged": 1, "reasons": {"no id": 1}}},
        "columns": {"queries": {"query_id": "string"}}, "derived": ["candidates"],
    }),
    (StatisticsReport, {
        "interactions": {
            "rows": 2,
            "columns": {"x": {
                "type": "int64", "missing": 0, "missing_fraction": 0.0, "elements": 2, "distinct": 2, "exact": True,
                "nan": 0, "infinite": 0, "zeros": 1, "min": 0, "max": 3, "mean": 1.5, "std": 1.5,
                "quantiles": {"0.5": 0}, "histogram": [{"low": 0.0, "high": 3.0, "count": 2.0}],
            }, "tags": {"type": "list<string>", "missing": 2, "elements": 0, "list_length": {}}},
        },
        "queries": {"rows": 1, "columns": {}},
    }),
    (Newest, {"event": "2026-11-29T00:00:00Z"}),
    (AnomalyList, [{"table": "queries", "column": None, "kind": "empty_table", "severity": "error", "message": "no"}]),
    (DatasetMetadata, {
        "ordered": True, "split": {"method": "time", "test": 0.1}, "seed": 4, "final": False, "events": 9,
        "queries": 3, "candidates": 4, "counts": {"train": 9}, "left_out": {"limit": 2, "queries": 1, "events": 1},
        "time_range": ["2026-01-01", "2026-01-02"],
        "cuts": {"validation_from": "2026-01-01", "test_from": "2026-01-02"},
    }),
    (CatalogueChanges, {"candidates": 5, "added": 1, "removed": 0, "refresh_of": {"towers": "x", "candidates": 5}}),
    (TrainingReport, {
        "steps": 7, "events": 9, "batch_size": 4, "loss": "full_softmax", "temperature": 0.1, "labels": "next",
        "tried": [{"temperature": 0.1, "labels": "next", "recall@10": 0.2}], "metric": "recall@10",
        "validation": MEANS, "validation_queries": 3, "notes": ["few"], "embedding_dim": 8, "parameters": 80,
        "seconds": 1.0, "milliseconds_per_step": 2.0,
        "curve": [{"step": 7, "epoch": 1.0, "loss": 2.5, "seconds": 1.0, "recall@10": 0.5}],
    }),
    (Metrics, METRICS),
    (Verdict, {
        "blessed": True,
        "checks": [
            CHECK | {"message": "said", "version": 3}, CHECK | {"value": None, "message": "no", "skipped": "no"},
        ],
        "served": {"version": None, "towers": None}, "notes": ["few"], "table": {"two-tower": MEANS},
    }),
    (IndexReport, {
        "candidates": 5, "dimension": 8, "search": "tree", "settings": SETTINGS, "top_k": 5,
        "target": {"k": 5, "recall": 0.9, "reached": 1.0}, "recall": {"recall@5": 1.0}, "queries": 2,
        "build_seconds": 0.1, "latency_ms": {"scann": 0.1, "exact": 0.2},
        "tuning": {
            "queries": 2, "chosen": {"recall": 1.0, "assured": 0.9, "cost_us": 70.5},
            "builds": [{"settings": SETTINGS, "recall": 1.0, "assured": 0.9, "cost_us": 70.5, "build_seconds": 0.1}],
            "curve": [{
                "leaves_to_search": 2, "reorder": 10, "recall": 1.0, "assured": 0.9, "cost_us": 70.5,
                "latency_ms_batch_1": 0.1, "latency_ms_batch_64": 0.5,
            }],
        },
        "query_index": {
            "queries": 3, "search": "brute_force", "settings": None, "recall": {"recall@3": 1.0}, "bytes": 30,
        },
        "bytes": {"exact": 10, "scann": 12},
    }),
    (ExpectedAnswers, [{"query_id": "q", "candidate_ids": ["a", "b"], "scores": [1.0, 0.5]}]),
    (InfraVerdict, {"blessed": True, "checks": {"inputs": 2}, "models": {"exact": TIMES, "scann": TIMES}}),
    (Push, {
        "version": 3, "exact": "/models/shop/3", "scann": "/models/shop-scann/3", "new": True, "withdrawn": False,
        "identity": {"towers": "x", "index": None}, "told": "",
    }),
]  # fmt: skip
NAMED = pytest.mark.parametrize(("kind", "content"), DOCUMENTS, ids=[kind.FILE for kind, _ in DOCUMENTS])


def written(path: Path, name: str, content: Any) -> Artifact:
    artifact = Artifact(path)
    artifact.write_json(name, content)
    return artifact


@NAMED
def test_what_is_read_is_written_again_byte_for_byte(
    kind: type[Document | Rooted], content: Any, tmp_path: Path
) -> None:
    there = written(tmp_path / "there", kind.FILE, content)
    again = Artifact(tmp_path / "again")
    kind.read(there).write(again)
    assert (again.path / kind.FILE).read_bytes() == (there.path / kind.FILE).read_bytes()


@NAMED
@pytest.mark.parametrize("text", [None, "", "{", "3", '{"root": 1}', '[{"x": 1}]', "[" * 100_000, "\xff"])
def test_what_is_no_such_document_is_refused_by_name(
    kind: type[Document | Rooted], content: Any, text: str | None, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / kind.FILE).write_bytes(text.encode("latin-1"))
    if kind is IngestSummary and text in ('{"root": 1}',):
        return  # every key of a summary may be missing
    with pytest.raises(UnreadableDocumentError, match=str(tmp_path / kind.FILE)) as refused:
        kind.read(Artifact(tmp_path))
    assert refused.value.exit_code == RunError.exit_code == 3
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", [kind for kind, _ in DOCUMENTS if issubclass(kind, Document)])
def test_a_later_format_is_refused(kind: type[Document], tmp_path: Path) -> None:
    content = {"format": 2, **next(content for known, content in DOCUMENTS if known is kind)}
    with pytest.raises(UnreadableDocumentError, match=f"{kind.FILE} has format 2, but this release reads format 1"):
        kind.read(written(tmp_path, kind.FILE, content))


def test_a_later_format_is_named_in_the_file(tmp_path: Path) -> None:
    class Later(CatalogueChanges):
        FORMAT = 2

    changes = Later(candidates=1, added=0, removed=0, refresh_of={})
    changes.write(Artifact(tmp_path))
    assert json.loads((tmp_path / Later.FILE).read_text())["format"] == 2
    assert Later.read(Artifact(tmp_path)) == changes
    with pytest.raises(UnreadableDocumentError, match="use the release that wrote it"):
        CatalogueChanges.read(Artifact(tmp_path))


def test_keys_of_another_release_are_ignored(tmp_path: Path) -> None:
    content = {"blessed": True, "signed_by": "somebody", "checks": [CHECK | {"weight": 1}]}
    found = Verdict.read(written(tmp_path, Verdict.FILE, content))
    assert (found.blessed, found.checks[0].name, found.notes) == (True, "threshold", ())


@pytest.mark.parametrize("blessed", [1, "yes", None])
def test_only_true_is_a_blessing(blessed: Any, tmp_path: Path) -> None:
    for kind in (Verdict, InfraVerdict):
        with pytest.raises(UnreadableDocumentError, match="blessed: Input should be a valid boolean"):
            kind.read(written(tmp_path, kind.FILE, {"blessed": blessed}))


def test_a_spec_of_other_features_is_refused_by_name(tmp_path: Path) -> None:
    content = {"features": {"query": {"x": {"type": "colour"}}}, "query": {}, "context": {}, "candidate": {}}
    with pytest.raises(UnreadableDocumentError, match=r"spec.json is damaged, or another release wrote it: features"):
        read_spec(TransformGraph(written(tmp_path, "spec.json", content).path))
