"""`recommend` on a published pair whose index is so poor that it finds other candidates than exact search."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.pusher import PusherParams
from components.scann_indexer import IndexConfig, RecallTarget
from pipeline.cli import main
from serving.model.ask import ask
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
