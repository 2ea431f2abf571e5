"""One pipeline on synthetic data, from every side a user sees it."""

import json
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

from dataplane.artifacts import Model, TransformedExamples
from dataplane.dataset.embedding import candidate_embeddings, embed_queries, query_columns
from dataplane.dataset.sequences import read_dataset
from tests.contexts import in_process
from tests.e2e.conftest import Project, cli

pytestmark = pytest.mark.e2e

# What a serving team has: TensorFlow, ScaNN, the directory. `blocked` proves that the exact model needs no ScaNN.
_ASK = """
import json, sys
model, requests, blocked = sys.argv[1:]
if blocked == "blocked":
    sys.modules["scann"] = None
    import tensorflow as tf
else:
    import scann, tensorflow as tf
assert not {"components", "models", "pipeline"} & set(sys.modules)
serve = tf.saved_model.load(model).signatures["serving_default"]
inputs = serve.structured_input_signature[1]
columns = json.loads(requests)
answer = serve(**{name: tf.constant(columns[name], spec.dtype) for name, spec in inputs.items()})
ids = [[value.decode() for value in row] for row in answer["candidate_ids"].numpy()]
print(json.dumps({"ids": ids, "scores": answer["scores"].numpy().tolist()}))
"""


def ask_in_fresh_process(model, columns, *, blocked):
    command = [sys.executable, "-I", "-c", _ASK, model, json.dumps(columns), "blocked" if blocked else "free"]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_the_summary_says_what_a_user_wants_to_know(shop):
    result = shop.run(shop.directory / "shop.yaml")
    for word in (
        "Nothing to do",
        "popularity",
        "item_knn",
        "recall@10",
        "against exact search",
        "MiB",
        "recommend shop",
    ):
        assert word in result.out
    assert set(shop.states("shop").values()) == {"cached"}


def test_metrics_have_the_documented_form(shop):
    metrics = shop.metrics("shop")
    for values in (metrics["test"], metrics["validation"], *metrics["baselines"].values()):
        assert {f"{name}@{k}" for name in ("recall", "hit_rate", "ndcg", "mrr", "map") for k in (1, 10, 100)} <= set(
            values
        )
    assert metrics["test"]["hit_rate@10"] > metrics["baselines"]["popularity"]["hit_rate@10"]
    assert metrics["protocol"]
    assert "country" in json.dumps(metrics["slices"])


def test_both_models_are_published_under_one_version(shop):
    pushed = shop.pushed("shop")
    for name in ("shop", "shop-scann"):
        directory = shop.root / "serving" / name / str(pushed["version"])
        assert (directory / "saved_model.pb").is_file()
        assert (directory / "assets.extra" / "model.json").is_file()


@pytest.fixture(scope="module")
def served(shop):
    """The requests of the first test queries, and the embeddings evaluation computes for them."""
    dataset = read_dataset(TransformedExamples(shop.artifact("shop", "Transform", "transformed_examples").path))
    model = Model(shop.artifact("shop", "Trainer", "model").path)
    rows = np.arange(40)
    history = dataset.events.select(("train", "validation"))
    spec = shop.artifact("shop", "Transform", "transform_graph").read_json("spec.json")
    context = {name: np.zeros((len(rows), column["width"]), np.int32) for name, column in spec["context"].items()}
    asked = query_columns(dataset, query_rows=rows, history=history, history_length=50, contexts=context)
    queries = embed_queries(model, asked, in_process())
    candidates = candidate_embeddings(model, dataset, in_process())
    ids = np.array(dataset.candidates.ids.to_pylist())
    examples = shop.artifact("shop", "ExampleGen", "examples").path
    table = pq.read_table(examples / "queries")
    known = {row["query_id"]: row for row in table.to_pylist()}
    wanted = [known[query] for query in dataset.queries.ids.take(rows).to_pylist()]
    histories = [
        ids[history.candidate[start:stop]].tolist()
        for start, stop in zip(history.offsets[:-1], history.offsets[1:], strict=True)
    ][: len(rows)]
    width = max(map(len, histories))
    columns = {
        "country": [row["country"] or "" for row in wanted],
        "age": [float("nan") if row["age"] is None else row["age"] for row in wanted],
        "device": [""] * len(rows),
        "history": [seen + [""] * (width - len(seen)) for seen in histories],
    }
    return columns, histories, ids, queries @ candidates.T


@pytest.mark.parametrize("kind", ["exact", "scann"])
def test_a_fresh_process_serves_what_evaluation_scored(shop, served, kind):
    columns, histories, ids, scores = served
    answer = ask_in_fresh_process(shop.pushed("shop")[kind], columns, blocked=kind == "exact")
    row_of = {name: row for row, name in enumerate(ids)}
    for query, (given_ids, given_scores) in enumerate(zip(answer["ids"], answer["scores"], strict=True)):
        expected = [scores[query, row_of[name]] for name in given_ids]
        np.testing.assert_allclose(given_scores, expected, atol=1e-5)
        seen = [row_of[name] for name in histories[query]]
        unseen = np.delete(np.arange(len(ids)), seen)
        best = np.sort(scores[query, unseen])[::-1][: len(given_ids)]
        np.testing.assert_allclose(given_scores, best, atol=1e-5, err_msg="not the best unseen candidates")


def test_no_answer_is_padding_a_duplicate_or_seen(shop):
    dataset = read_dataset(TransformedExamples(shop.artifact("shop", "Transform", "transformed_examples").path))
    ids, events = np.array(dataset.candidates.ids.to_pylist()), dataset.events
    seen = {
        query: set(ids[events.candidate[start:stop]])
        for query, start, stop in zip(
            dataset.queries.ids.to_pylist(), events.offsets[:-1], events.offsets[1:], strict=True
        )
    }
    answers = pq.read_table(
        shop.artifact("shop", "BulkInferrer", "recommendations").path / "recommendations"
    ).to_pylist()
    assert {row["query_id"] for row in answers} == set(seen)
    for row in answers:
        recommended = row["candidate_ids"]
        assert recommended
        assert len(set(recommended)) == len(recommended)
        assert "" not in recommended
        assert not set(recommended) & seen[row["query_id"]]


def test_changing_the_index_runs_from_the_index_on(shop, tmp_path):
    project = Project(tmp_path)
    (tmp_path / "runs").symlink_to(shop.root)
    config = shop.directory / "shop.yaml"
    project.run(config, "--set", "index.sample_queries=50")
    states = project.states("shop")
    before = ("ExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "Transform", "Trainer", "Evaluator")
    assert {states[node] for node in before} == {"cached"}
    assert states["ScannIndexer"] == states["InfraValidator"] == states["Pusher"] == "run"
    project.run(config)
    assert project.states("shop")["Pusher"] in ("run", "cached")


def test_known_and_unknown_queries_are_answered(shop):
    known = read_dataset(
        TransformedExamples(shop.artifact("shop", "Transform", "transformed_examples").path)
    ).queries.ids[0]
    assert len(shop.recommend("shop", "--query-id", known, "-k", 5)) == 5
    assert shop.recommend("shop", "--query-id", known) == shop.recommend("shop", "--query-id", known, "--exact")
    given = ("--features", '{"country": "Nowhere", "age": null}', "--history", '["c1", "never seen"]')
    assert "c1" not in shop.recommend("shop", *given)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--query-id", "nobody"), "nobody"),
        (("--features", '{"size": 3}'), "country"),
        (("--features", "[]"), "JSON object"),
        (("--history", '{"a": 1}'), "JSON list"),
    ],
)
def test_bad_requests_are_refused(shop, options, told):
    result = cli("recommend", "shop", "--root", shop.root, *options)
    assert result.code == 2
    assert told in result.err


def test_status_lists_runs_steps_and_artifacts(shop):
    report = json.loads(cli("status", "--root", shop.root, "--json").out)
    first = report["shop"][0]
    assert first["state"] == "done"
    assert [step["node"] for step in first["steps"]][:2] == ["ExampleGen", "StatisticsGen"]
    assert all(step["state"] == "run" and step["seconds"] >= 0 for step in first["steps"])
    text = cli("status", "--root", shop.root).out
    address = first["steps"][6]["artifacts"][0]
    assert address.startswith("shop/Evaluator/")
    assert "Evaluator" in text
    shown = cli("show", address, "--root", shop.root).out
    assert "fingerprint" in shown
    assert "input" in shown


@pytest.mark.parametrize("address", ["nothing/Trainer", "shop/Nothing", "shop/Trainer/nothing"])
def test_show_says_what_there_is(shop, address):
    result = cli("show", address, "--root", shop.root)
    assert result.code == 2
    assert any(
        text in result.err for text in ("pipelines there: shop", "no finished step 'Nothing'; there is ", "outputs are")
    )
