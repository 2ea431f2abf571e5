"""`recommend` on a published pair whose index is so poor that it finds other candidates than exact search."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.pusher import PusherParams
from components.scann_indexer import IndexConfig, RecallTarget
from pipeline.cli import main
from pipeline.execution.metadata import Execution, Run, Store
from serving.model.ask import ask
from serving.model.item_columns import write_item_columns
from serving.model.version_digests import write_digests
from tests.components.tiny_world import make_world
from tests.pipeline.serving_process import index, publish

QUESTION = {"history": ["c00003"], "age": 80, "country": "de"}
POOR = IndexConfig(search="tree", leaves=100, leaves_to_search=1, recall_target=RecallTarget(recall=0))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    model = index(make_world(root / "world", candidates=400), root / "model", top_k=20, config=POOR)
    publish(root, PusherParams(directory=root / "serving", name="toy"), model)
    return root


def recommended(root: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[str, list[str]]:
    """Name of the model that was asked, and the ids it answered."""
    history, features = (json.dumps(value) for value in (QUESTION["history"], {"age": 80, "country": "de"}))
    given = ["--root", str(root), "--history", history, "--features", features, "-k", "20", "--json", *options]
    assert main(["recommend", "toy", *given]) == 0
    answer: Any = json.loads(capsys.readouterr().out)
    return Path(answer["model"]).parent.name, [candidate["id"] for candidate in answer["candidates"]]


def test_exact_asks_the_exact_model(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named, ids = recommended(root, capsys, "--exact")
    assert (named, ids) == ("toy", ask(root / "model" / "exact", QUESTION).candidate_ids)
    named, approximate = recommended(root, capsys)
    assert named == "toy-scann"
    assert approximate != ids


def test_a_run_under_way_is_named_if_nothing_is_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path, "ml")
    store.save_run(Run("1", "ml.yaml", os.getpid()))
    with store.lock():
        assert main(["recommend", "ml", "--root", str(tmp_path)]) == 2
    assert "published nothing yet, but its run 1 is under way" in capsys.readouterr().err
    assert main(["recommend", "ml", "--root", str(tmp_path)]) == 2
    assert "published nothing yet; run it first" in capsys.readouterr().err, "its process is gone"


HISTORY = [f"c{number:05d}" for number in range(12)]


@pytest.fixture
def with_titles(root: Path) -> Iterator[Path]:
    """The root with the records between the published model and a candidate table; not afterwards."""
    store = Store(root, "toy")
    directory = store.execution_directory("ExampleGen", "g") / "examples" / "candidates"
    directory.mkdir(parents=True)
    ids = [f"c{number:05d}" for number in range(400)]
    titles = [None if number == 1 else f"Tale\x1b[2J {number}" for number in range(400)]
    pq.write_table(pa.table({"candidate_id": ids, "title": titles, "name": ids}), directory / "part.parquet")
    for node, execution, inputs, output in (
        ("ExampleGen", "g", {}, "examples"),
        ("Transform", "t", {"examples": "ExampleGen/g/examples"}, "transformed_examples"),
        ("ScannIndexer", "s", {"transformed_examples": "Transform/t/transformed_examples"}, "serving_model"),
        ("Pusher", "f", {"serving_model": "ScannIndexer/s/serving_model"}, "pushed_model"),
    ):
        made = store.execution_directory(node, execution) / output
        made.mkdir(parents=True, exist_ok=True)
        if output == "serving_model":
            shutil.copytree(root / "model", made, dirs_exist_ok=True)
        params = PusherParams(directory=root / "serving", name="toy").model_dump(mode="json")
        store.commit(Execution(node, execution, node, "", inputs, [output], params, {}, {}, "run", "", 0.0))
    yield root
    for node, execution in (("ExampleGen", "g"), ("Transform", "t"), ("ScannIndexer", "s"), ("Pusher", "f")):
        shutil.rmtree(store.execution_directory(node, execution))


def test_titles_are_beside_answers_and_history(with_titles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["recommend", "toy", "--root", str(with_titles), "--history", json.dumps(HISTORY), "-k", "2"]
    assert main([*given, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["history"][:2] == [{"id": "c00000", "title": "Tale\x1b[2J 0"}, {"id": "c00001"}]
    answers = [(it["id"], it["title"]) for it in document["candidates"]]
    assert answers == [(name, f"Tale\x1b[2J {int(name[1:])}") for name, _ in answers]
    assert main(given) == 0
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert lines[0] == "history, latest first (10 of 12)"
    assert lines[1:4:2] == ["  c00011  Tale\\x1b[2J 11", "  c00009  Tale\\x1b[2J 9"]
    assert [line.split(maxsplit=3)[2:] for line in lines[-2:]] == [
        [name, f"Tale\\x1b[2J {int(name[1:])}"] for name, _ in answers
    ]
    assert "\x1b" not in printed


def test_repeats_in_a_history_are_one_line(with_titles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history = json.dumps(["c00002", "c00001", "c00002", "c00003", "c00001", "c00002"])
    given = ["recommend", "toy", "--root", str(with_titles), "--history", history, "-k", "1"]
    assert main(given) == 0
    assert capsys.readouterr().out.splitlines()[:4] == [
        "history, latest first",
        "  c00002  Tale\\x1b[2J 2 × 3",
        "  c00001  × 2",
        "  c00003  Tale\\x1b[2J 3",
    ]


def test_titles_that_the_model_stores_need_no_records(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    shutil.copytree(root / "model" / "exact", model)
    ids = [f"c{number:05d}" for number in range(400)]
    table = pa.table({"candidate_id": ids, "name": [f"Tale of {name}" for name in ids]})
    write_item_columns(model, table.replace_schema_metadata({"display": "name"}))
    write_digests(model)
    assert main(["recommend", "--model", str(model), "-k", "2", "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)["candidates"]
    assert [it["title"] for it in answers] == [f"Tale of {it['id']}" for it in answers]


def test_more_answers_than_the_model_gives_are_noted(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recommend", "toy", "--root", str(root), "-k", "21"]) == 0
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 1 + 20
    assert told.err == "note: the model gives at most 20 answers (serving.top_k)\n"


def test_without_records_answers_have_no_titles(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recommend", "toy", "--root", str(root), "-k", "1"]) == 0
    first, answer = capsys.readouterr().out.splitlines()
    assert first.endswith(" answers")
    assert len(answer.split()) == 3


@pytest.mark.parametrize(
    ("option", "text", "told"),
    [
        ("--features", '{"age": NaN}', "--features is not JSON: NaN is not a JSON number; null stands for a missing"),
        ("--features", '{"age": -Infinity}', "-Infinity is not a JSON number"),
        ("--features", '{"age": 1e400}', "'age' is beyond 32-bit floating point: inf"),
        ("--features", '{"age": true}', "'age' must be a number, got True"),
        ("--features", '{"age": ' + "[" * 100_000, "--features is not JSON: "),
        ("--features", '{"age": ' + "1" * 5000 + "}", "--features is not JSON: "),
        ("--features", '{"country": "\\ud800"}', "--features is not JSON: "),
        ("--features", "[" + "1," * 5000 + "1]", "--features must be a JSON object, got [1, 1, "),
        ("--history", '["\\ud800"]', "--history is not JSON: "),
    ],
)
def test_what_no_request_can_say_is_a_usage_error(
    root: Path, capsys: pytest.CaptureFixture[str], option: str, text: str, told: str
) -> None:
    assert main(["recommend", "toy", "--root", str(root), option, text]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert len(error) < 500


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("-k", "0", "'0' is not a whole number above 0"),
        ("-k", "-1", "is not a whole number above 0"),
        ("-k", "2.0", "'2.0' is not a whole number above 0"),
        ("--query-id", "\udcff", "is not valid UTF-8"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    capsys: pytest.CaptureFixture[str], option: str, value: str, told: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["recommend", "toy", f"{option}={value}" if option.startswith("--") else f"{option}{value}"])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err
