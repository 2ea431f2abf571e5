"""A model goes live only if it is worth it, and whoever runs the pipeline is told why not."""

import random
import re
from pathlib import Path

import pytest

from tests.e2e.conftest import Project, cli

pytestmark = pytest.mark.e2e

SMALL = {
    "model": {"embedding_dim": 16, "temperature": 0.1},
    "training": {"max_epochs": 6, "batch_size": 64, "learning_rate": 0.02},
    "recommendations": None,
}


def write_events(project: Project, rows: list[tuple[str, str, int]]) -> dict[str, object]:
    """The section `data` for these events."""
    lines = ["user_id,item_id,ts", *(f"{user},{item},{at}" for user, item, at in rows)]
    (project.directory / "events.csv").write_text("\n".join(lines) + "\n")
    columns = {"query_id": "user_id", "candidate_id": "item_id", "timestamp": "ts"}
    return {"interactions": {"format": "csv", "path": "events.csv", "columns": columns}}


@pytest.fixture(scope="module")
def walking(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, int]:
    """A good version in service: everybody goes from item to item, and the model has learnt it."""
    project = Project(tmp_path_factory.mktemp("walking"))
    rows = [
        (f"u{user}", f"i{(user * 7 + step) % 60}", 1_600_000_000 + 100 * user + step)
        for user in range(60)
        for step in range(8)
    ]
    data = write_events(project, rows)
    project.write_config("shop", data=data, **SMALL)
    result = project.run(project.directory / "shop.yaml")
    assert "Verdict    blessed" in result.out
    assert "must exceed popularity: passed" in result.out
    assert "not compared with a served model: nothing has been published yet" in result.out
    report = re.search(r"^Report +(.*\.html)$", result.out, re.MULTILINE)
    assert report is not None
    assert "<h1>Published as version" in Path(report[1]).read_text(encoding="utf-8")
    return project, project.pushed("shop")["version"]


def in_service(project: Project) -> list[str]:
    found = (project.root / "serving" / "shop").glob("[0-9]*")
    return sorted(entry.name for entry in found if entry.is_dir())


def refused(project: Project, *settings: str) -> str:
    options = [f"--set={setting}" for setting in settings]
    result = project.run(project.directory / "shop.yaml", *options, code=3)
    assert "Traceback" not in result.err
    assert "The same command continues" not in result.err, "it would be refused again"
    assert "once the reason above is dealt with, continue with: python -m pipeline run" in result.err
    report = re.search(r"^The report is (.*\.html)$", result.err, re.MULTILINE)
    assert report is not None
    assert re.search(r"<h1>Refused by \w+: nothing was published</h1>", Path(report[1]).read_text(encoding="utf-8"))
    return result.err[result.err.index("error: ") :]


def test_a_collapsed_model_does_not_replace_a_good_one(walking: tuple[Project, int]) -> None:
    project, version = walking
    told = refused(
        project,
        "training.learning_rate=1.0e9",
        "training.max_epochs=2",
        "training.batch_size=4096",
        "evaluation.min_lift_over_popularity=null",
        "evaluation.min_lift_over_published=null",
    )
    assert "Evaluator refused" in told
    assert re.search(r"all 60 (candidate|query) embeddings are zero.*: refused; no setting allows this", told)
    assert re.search(r"ndcg@10 +0\.0000", told)
    assert in_service(project) == [str(version)]


def test_a_clearly_worse_model_does_not_replace_a_good_one(walking: tuple[Project, int]) -> None:
    project, version = walking
    told = refused(
        project, "training.max_epochs=1", "training.learning_rate=1.0e-6", "evaluation.min_lift_over_popularity=null"
    )
    served = project.metrics("shop")["published"]
    ours, theirs = served["model"]["ndcg@10"], served["test"]["ndcg@10"]
    low, high = served["intervals"]["ndcg@10"]
    assert "Pusher refused: not published" in told
    assert f"ndcg@10 {ours:.4f} against served version {version}'s {theirs:.4f}: {ours - theirs:+.4f}" in told
    assert f"({low:.4f} … {high:.4f}) on 60 queries" in told
    assert "refused (evaluation.min_lift_over_published)" in told
    assert re.search(r"two-tower +popularity +item_knn +served", told)
    assert in_service(project) == [str(version)]


def test_repeat_purchases_are_told_before_anything_is_trained(project: Project) -> None:
    choice = random.Random(0)
    rows = []
    for user in range(50):
        own = choice.sample(range(40), 4)
        for order in range(16):
            bought = choice.randrange(40) if choice.random() < 0.05 else own[choice.randrange(4)]
            rows.append((f"u{user}", f"p{bought}", 1_600_000_000 + 1000 * user + order))
    config = project.write_config("repeat", data=write_events(project, rows), **SMALL)
    told = project.run(config, code=3).err
    assert "Trainer refused: " in told
    assert "of 50 queries with test events cannot be measured" in told
    assert "set remove_seen: false" in told
    assert not (project.root / "repeat" / "Evaluator").exists()
    assert project.states("repeat")["Trainer"] == "refused"

    again = cli("run", config, "--root", project.root, "--set=remove_seen=false")
    assert again.code == 0, again.err
    assert "Verdict    blessed" in again.out
    assert "not measured" not in again.out
