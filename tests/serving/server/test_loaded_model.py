"""One loaded model: joined requests, definitions of signatures, and reasons without paths."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow.core.protobuf import meta_graph_pb2

from dataplane.artifacts import Examples, TransformedExamples
from dataplane.dataset.sequences import read_dataset
from dataplane.errors import ConfigError
from serving.model.batch_answers import answer_file
from serving.model.descriptions import read_description
from serving.model.requests import stored_requests
from serving.server.loaded_model import LoadedModel, without_paths
from tests.serving.server.asking import JOINED, answers, asked

CANDIDATES, TOP_K = 200, 8


@pytest.fixture(scope="module", params=["exact", "scann"])
def model(exported: Path, request: pytest.FixtureRequest) -> LoadedModel:
    return LoadedModel(exported / request.param / "1", JOINED, on_batch=lambda rows: None)


ids = st.integers(0, CANDIDATES + 5).map("c{:05d}".format)
instance = st.fixed_dictionaries(
    {},
    optional={
        "country": st.sampled_from(["nl", "de", "é", None, ""]),
        "age": st.one_of(st.none(), st.floats(0, 120, width=32)),
        "tags": st.lists(st.sampled_from(["a", "b", "?"]), max_size=5),
        "taste": st.lists(st.floats(-2, 2, width=32), min_size=2, max_size=2),
        "history": st.lists(ids, max_size=12),
    },
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(st.lists(instance, min_size=1, max_size=3), min_size=2, max_size=6))
def test_joined_requests_are_answered_as_each_alone(
    model: LoadedModel, batch: list[list[Any]], request: pytest.FixtureRequest
) -> None:
    is_exact = "exact" in request.node.name
    requests = [asked(model, [{}]), *(asked(model, instances) for instances in batch)]
    for question, joined in zip(requests, answers(model, requests), strict=True):
        (alone,) = answers(model, [question])
        assert len(joined) == len(alone)
        for mine, other in zip(joined, alone, strict=True):
            # Never worse; better from a tree, which a neighbour's longer history makes search wider.
            assert (np.array(mine["scores"]) >= np.array(other["scores"]) - 1e-4).all()
            if is_exact:
                np.testing.assert_allclose(mine["scores"], other["scores"], rtol=1e-4, atol=1e-5)


def test_an_id_is_answered_as_the_stored_request(exported: Path, model: LoadedModel) -> None:
    dataset = read_dataset(TransformedExamples(exported / "world" / "transformed"))
    features = read_description(exported / "exact" / "1").feature_spec()
    ids = dataset.queries.ids.to_pylist()
    stored = stored_requests(Examples(exported / "world" / "examples"), dataset, features, ids)
    newer = ["c00009", "unknown"]
    stored = [{**request, "history": request["history"] + newer, "device": "tv"} for request in stored]
    by_id = [{"query_id": name, "history": newer, "device": "tv"} for name in [*ids, "unknown"]]
    stored.append({"history": newer, "device": "tv"})
    wanted, found = answers(model, [asked(model, stored), asked(model, by_id, "recommend_known")])
    for mine, other in zip(found, wanted, strict=True):
        assert mine["candidate_ids"] == other["candidate_ids"]
        np.testing.assert_allclose(mine["scores"], other["scores"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_rows_of_a_file_are_answered_as_the_served_ones(
    exported: Path, model: LoadedModel, tmp_path: Path, suffix: str, request: pytest.FixtureRequest
) -> None:
    path = exported / ("exact" if "exact" in request.node.name else "scann") / "1"
    rows = [{"age": float(age), "history": [f"c{age:05d}"] * (age % 3)} for age in range(300)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / f"answers.{suffix}"
    assert answer_file(path, tmp_path / "rows.jsonl", out, signature="serving_default", k=3) == 300
    found = (
        pq.read_table(out).to_pylist() if suffix == "parquet" else list(map(json.loads, out.read_text().splitlines()))
    )
    (served,) = answers(model, [asked(model, rows, k=3)])
    for mine, other in zip(found, served, strict=True):
        assert mine["candidate_ids"] == other["candidate_ids"]
        np.testing.assert_allclose(mine["scores"], other["scores"], rtol=1e-5)
    with pytest.raises(ConfigError, match="at most 8 answers"):
        answer_file(path, tmp_path / "rows.jsonl", out, signature="serving_default", k=9)


def test_lists_too_long_for_a_batch_are_refused_before_they_are_padded(model: LoadedModel) -> None:
    (refused,) = answers(model, [asked(model, [{"history": ["c00001"] * 9000}, *[{}] * 200])])
    assert "lists of 9000 are too long for a batch of 201" in str(refused)
    (answered,) = answers(model, [asked(model, [{"history": ["c00001"] * 9000}])])
    assert len(answered[0]["candidate_ids"]) == TOP_K


def test_fewer_answers_are_the_first_ones_whatever_the_neighbours_ask_for(model: LoadedModel) -> None:
    options: list[dict[str, Any]] = [{}, {"k": 3}, {"k": 1, "columns": ["title"]}, {"k": TOP_K}]
    requests = [asked(model, [{"history": ["c00007"]}] * 2, **given) for given in options]
    every, three, one, same = answers(model, requests)
    assert [row["candidate_ids"] for row in three] == [row["candidate_ids"][:3] for row in every]
    assert [len(row["scores"]) for row in three + one] == [3, 3, 1, 1]
    assert same == every
    assert [row.keys() - {"candidate_ids", "scores"} for row in every + one] == [set()] * 2 + [{"items"}] * 2


def test_columns_stand_beside_the_ids(model: LoadedModel) -> None:
    columns = {"columns": ["year", "title"]}
    allowed = {"allow_ids": ["c00002", "c00003", "c00150"]}
    ((row,),) = answers(model, [asked(model, [allowed], "recommend_filtered", **columns)])
    assert dict(zip(row["candidate_ids"], row["items"], strict=True)) == {
        "c00002": {"year": 1902, "title": None},
        "c00003": {"year": None, "title": None},
        "c00150": {"year": 2050, "title": "Tale 150"},
        "": {"year": None, "title": None},
    }
    (nothing,) = answers(model, [asked(model, ["unknown"], "similar_candidates", **columns)])
    assert nothing[0]["items"] == [{"year": None, "title": None}] * TOP_K
    assert model.items is not None
    assert (model.items.display, model.items.names) == ("title", ("title", "year"))
    assert model.items.titles(["c00002", "c00003", "c00004", "c00200", ""]) == {"c00004": "Tale 4"}


def test_definitions_are_tensorflows_own(model: LoadedModel) -> None:
    assert set(model.definitions) == set(model.interface.signatures)
    for signature, definition in model.definitions.items():
        ParseDict(definition, meta_graph_pb2.SignatureDef())
        assert set(definition["inputs"]) == set(model.interface.signatures[signature])
    outputs = model.definitions["serving_default"]["outputs"]
    assert outputs["scores"]["dtype"] == "DT_FLOAT"
    sizes = [dimension["size"] for dimension in outputs["candidate_ids"]["tensor_shape"]["dim"]]
    assert sizes == ["-1", str(TOP_K)]


def test_reasons_do_not_tell_where_things_are() -> None:
    error = OSError("cannot open /srv/models/toy/3/variables/variables.index: No such file\nand more")
    assert without_paths(error) == "cannot open variables.index: No such file"
    assert without_paths(ValueError("/srv/models/toy: 'a/b' and x/y")) == "toy: 'a/b' and x/y"
    assert len(without_paths(ValueError("x" * 1000))) < 240
    assert without_paths(RecursionError()) == "RecursionError"
