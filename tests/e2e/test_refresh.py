"""The index of a published model, refreshed from a new candidate table."""

import json
import random
from collections import Counter
from pathlib import Path

import pytest
import tensorflow as tf

from dataplane.files.digests import file_damage
from pipeline.execution.metadata import Store
from pipeline.execution.progress import PlainProgress
from serving.model.descriptions import directory_digest
from serving.model.item_columns import read_item_columns
from serving.model.version_digests import check_version
from tests.components.damage import flip
from tests.e2e.conftest import QUICK, Project, Result, cli, killed_when

pytestmark = pytest.mark.e2e


def write_items(project: Project, name: str, numbers) -> None:
    rows = [f"i{number},g{number // 20 % 4}" for number in numbers]  # 100 to 119 are g1, as 20 to 39
    (project.directory / name).write_text("\n".join(["id,genre", *rows, ""]))


@pytest.fixture(scope="module")
def store_front(tmp_path_factory) -> Project:
    """A run on 80 items in 4 genres, each query faithful to one genre, refreshed without 5 and with 20 new items."""
    project = Project(tmp_path_factory.mktemp("front"))
    rng = random.Random(0)
    events = [
        f"u{query},i{query % 4 * 20 + rng.randrange(20)},{100 * time}" for query in range(150) for time in range(9)
    ]
    (project.directory / "events.csv").write_text("\n".join(["u,i,t", *events, ""]))
    write_items(project, "items.csv", range(80))
    config = project.write_config(
        "front",
        data={
            "interactions": {
                "format": "csv",
                "path": "events.csv",
                "columns": {"query_id": "u", "candidate_id": "i", "timestamp": "t"},
            },
            "candidates": {"format": "csv", "path": "items.csv", "id": "id"},
        },
        features={"candidate": {"genre": {"type": "categorical"}}},
        display="genre",
        serving={"top_k": 100},
        recommendations=None,
        **{**QUICK, "training": {"max_epochs": 6, "batch_size": 128}},
    )
    project.run(config)
    write_items(project, "new.csv", [*range(5, 80), *range(100, 120)])
    assert refresh(project).code == 0
    return project


def refreshing(project: Project, table: str) -> list:
    config = project.directory / "front.yaml"
    return ["refresh-index", config, "--root", project.root, "--set", f"data.candidates.path={table}"]


def refresh(project: Project, table: str = "new.csv") -> Result:
    return cli(*refreshing(project, table))


def versions(project: Project) -> list[dict]:
    return json.loads(cli("versions", "front", "--root", project.root, "--json").out)


def ranked(project: Project, *history: str, version: int = -1) -> list[str]:
    """Answers of the exact model."""
    model = project.root / "serving" / "front" / str(versions(project)[version]["version"])
    serve = tf.saved_model.load(str(model)).signatures["serving_default"]
    answer = serve(history=tf.constant([history], tf.string, [1, len(history)]))
    return [text.decode() for text in answer["candidate_ids"].numpy()[0] if text]


def test_exactly_the_new_table_is_answered(store_front):
    new = {f"i{number}" for number in [*range(5, 80), *range(100, 120)]}
    assert set(ranked(store_front)) == new
    assert set(ranked(store_front, "i3", "i7", "i100")) == new - {"i7", "i100"}
    best = ranked(store_front, "i21", "i22", "i23", "i24")[:20]
    assert sum(item in {f"i{number}" for number in range(100, 120)} for item in best) >= 5, "new ones by their genre"
    assert len(store_front.recommend("front", "--query-id", "u7", "-k", 100)) > 80


def test_each_version_has_a_card_of_its_own(store_front):
    for_each = []
    for version in versions(store_front):
        models = [store_front.root / "serving" / name / str(version["version"]) for name in ("front", "front-scann")]
        texts = {(model / "assets.extra" / "model_card.json").read_text() for model in models}
        assert len(texts) == 1, "both models have the same card"
        assert (models[0] / "assets.extra" / "model_card.md").read_text().startswith("# Model card: front\n")
        for_each.append(json.loads(texts.pop()))
    trained, refreshed = for_each[:2]
    assert "diff" not in trained["model_details"]["version"]
    assert "20 candidates added, 5 removed" in refreshed["model_details"]["version"]["diff"]
    assert "candidate_id (id), genre (categorical)" in refreshed["model_parameters"]["model_architecture"]
    test_metrics = [card["quantitative_analysis"]["performance_metrics"][:10] for card in for_each[:2]]
    assert test_metrics[0] == test_metrics[1], "a refresh is not measured again"


def test_the_new_table_is_shown(store_front):
    before, after = (
        read_item_columns(store_front.root / "serving" / "front" / str(version["version"])).titles(["i3", "i105"])
        for version in versions(store_front)[:2]
    )
    assert (before, after) == ({"i3": "g0"}, {"i105": "g1"})


def test_a_table_that_is_replaced_after_its_key_was_made_is_refused(store_front, monkeypatch):
    numbers = range(10, 80)
    write_items(store_front, "moving.csv", numbers)

    def replace_and_start(self: PlainProgress, node: str) -> None:  # told when the key is made, before the reading
        if node == "CatalogueGen":
            write_items(store_front, "moving.csv", [*numbers, 100, 101])

    store = Store(store_front.root, "front")
    before = store.executions("CatalogueGen")
    with monkeypatch.context() as patched:
        patched.setattr(PlainProgress, "step_started", replace_and_start)
        refused = refresh(store_front, "moving.csv")
    assert refused.code == 3
    assert "moving.csv changed after the files of candidates were listed" in refused.err
    assert store.executions("CatalogueGen") == before, "nothing is kept under the key of the first table"


def test_a_removed_candidate_still_speaks_in_a_history(store_front):
    first, second = versions(store_front)
    removed = ("i0", "i1", "i2")
    before = [item for item in ranked(store_front, *removed, version=0) if item not in ("i3", "i4")]
    after = [item for item in ranked(store_front, *removed) if int(item[1:]) < 80]
    assert before == after, "the query embedding must not depend on the catalogue"
    assert after != [item for item in ranked(store_front) if int(item[1:]) < 80]
    assert second["refresh_of"] == first["identity"]
    assert [first["identity"][part] for part in ("towers", "preprocessing")] == [
        second["identity"][part] for part in ("towers", "preprocessing")
    ]


def test_what_is_done_is_not_done_again_and_the_next_run_leaves_it(store_front):
    served = cli("versions", "front", "--root", store_front.root).out
    assert "Nothing to do" in refresh(store_front).out
    assert "Nothing to do" in store_front.run(store_front.directory / "front.yaml").out
    assert cli("versions", "front", "--root", store_front.root).out == served
    assert "refreshed index, newest" in served
    steps = {step.node for step in Store(store_front.root, "front").runs()[1].steps}
    assert steps == {"CatalogueGen", "RefreshScannIndexer", "RefreshInfraValidator", "RefreshPusher"}
    shown = cli("show", "front/RefreshScannIndexer/serving_model", "--root", store_front.root).out
    assert "model = front/Trainer/" in shown
    assert "catalogue = front/CatalogueGen/" in shown


def test_what_cannot_be_refreshed_is_told(store_front):
    write_items(store_front, "few.csv", range(30))
    result = refresh(store_front, "few.csv")
    assert (result.code, "50 of the published model's 80 candidates are missing from the new table" in result.err) == (
        3,
        True,
    )
    assert "refresh-index" in result.err.splitlines()[-1]
    nothing = store_front.write_config(
        "nothing", data={"interactions": {"format": "synthetic", "queries": 10, "candidates": 30}}
    )
    assert cli("refresh-index", nothing, "--root", store_front.root).code == 2
    store = Store(store_front.root, "front")
    trained = store.latest("Trainer")
    assert trained is not None
    towers = store.output(trained, "model") / "towers" / "variables"
    weights = next(towers.glob("*.data*"))
    content = weights.read_bytes()
    try:
        weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        write_items(store_front, "newer.csv", range(79))
        result = refresh(store_front, "newer.csv")
        assert (result.code, "; run the pipeline again" in result.err) == (3, True)
        assert f"{weights.name} has changed since it was written" in result.err
        weights.unlink()
        result = refresh(store_front, "newer.csv")
        assert (result.code, f"{weights.name} is missing" in result.err) == (3, True)
    finally:
        weights.write_bytes(content)


def test_what_the_model_was_made_of_is_read_once_to_check_it(store_front, monkeypatch):
    checked = Counter[Path]()

    def counted(file: Path, digest: str) -> str:
        checked[file] += 1
        return file_damage(file, digest)

    monkeypatch.setattr("pipeline.execution.integrity.file_damage", counted)
    write_items(store_front, "once.csv", range(2, 80))
    assert refresh(store_front, "once.csv").code == 0
    assert {file.relative_to(store_front.root).parts[1] for file in checked} >= {"Trainer", "Transform", "ExampleGen"}
    assert max(checked.values()) == 1


def test_a_refresh_killed_in_the_export_and_in_the_push_is_completed(store_front):
    """Killed twice and completed: one version of the new table, and nobody has seen a part of it."""
    write_items(store_front, "later.csv", [*range(8, 80), *range(100, 115)])
    exports, serving = store_front.root / "front" / "RefreshScannIndexer", store_front.root / "serving"
    exported, published = {*exports.iterdir()}, {*serving.glob("front*/[0-9]*")}
    seen: dict[Path, str] = {}  # what a reader found in each version when it first saw it

    def look(*found: Path) -> list[Path]:
        new = {*serving.glob("front*/[0-9]*")} - published
        seen.update({version: directory_digest(version) for version in new - seen.keys()})
        return [*found, *new]

    command = refreshing(store_front, "later.csv")
    killed_when(lambda: look(*({*exports.glob("*/serving_model/exact/variables")} - variables_of(exported))), *command)
    (half,) = {*exports.iterdir()} - exported
    assert not seen
    assert not (half / "manifest.json").exists()
    killed_when(lambda: look(*serving.glob(".front/staging/*/*")), *command)
    (export,) = {*exports.iterdir()} - exported
    assert export != half, "what the first one left must not be used"
    assert refresh(store_front, "later.csv").code == 0
    steps = {step.node: step.state for step in Store(store_front.root, "front").runs()[-1].steps}
    assert steps["RefreshScannIndexer"] == "cached"
    look()
    pushed = {*serving.glob("front*/[0-9]*")} - published
    assert sorted(path.parent.name for path in pushed) == ["front", "front-scann"]
    assert len({path.name for path in pushed}) == 1
    assert versions(store_front)[-1]["complete"]
    assert [path.name for path in (serving / ".front").iterdir()] == ["lock"]
    assert seen == {path: directory_digest(path) for path in pushed}, "seen before it was whole"

    assert set(ranked(store_front)) == {f"i{number}" for number in [*range(8, 80), *range(100, 115)]}


def variables_of(executions: set[Path]) -> set[Path]:
    return {execution / "serving_model" / "exact" / "variables" for execution in executions}


def test_a_damaged_version_is_refreshed_from_what_it_was_made_of(store_front):
    newest = versions(store_front)[-1]["version"]
    serving = store_front.root / "serving"
    flip(serving / "front" / str(newest) / "saved_model.pb")
    refreshed = refresh(store_front)
    assert refreshed.code == 0, refreshed.err
    assert f"version {newest} is damaged (front: saved_model.pb has changed since it was written)" in refreshed.err
    again = versions(store_front)[-1]
    assert again["version"] > newest
    assert again["refresh_of"] == versions(store_front)[0]["identity"]
    for model in ("front", "front-scann"):
        assert check_version(serving / model / str(again["version"])) == []

    for model in ("front", "front-scann"):  # nobody knows any more which model it is
        flip(serving / model / str(again["version"]) / "assets.extra" / "model.json")
    refused = refresh(store_front)
    assert (refused.code, f"version {again['version']} of front in" in refused.err) == (3, True)
    assert "no readable identity" in refused.err
    assert f"version {again['version']} is damaged" in store_front.run(store_front.directory / "front.yaml").out


@pytest.mark.slow
def test_a_refresh_can_be_repeated_on_the_recorded_model(store_front: Project, tmp_path: Path) -> None:
    store = Store(store_front.root, "front")
    run = next(run for run in store.runs() if run.steps[0].node == "CatalogueGen")
    repeated = cli("reproduce", run.id, "--root", store_front.root, "--into", tmp_path / "again")
    assert repeated.code == 0, repeated.out + repeated.err
    assert "equal: all 3 steps came out as recorded" in repeated.out
