"""Every file of a published version is harmed once: the harm is reported, and the model is published again."""

import json
from pathlib import Path

import pytest

from serving.model.descriptions import directory_digest, read_identity
from serving.published.published_versions import Publication
from serving.published.publishing import Publisher
from serving.server.batching import BatchingOptions
from serving.server.model_host import ModelHost
from tests.components.damage import DAMAGES, flip
from tests.e2e.conftest import QUICK, Project, Result, cli

pytestmark = pytest.mark.e2e

OTHER = ("--set", "seed=7")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two small models, the first of which is served again after a rollback; each test leaves that whole."""
    project = Project(tmp_path_factory.mktemp("harmed"))
    project.run(config(project))
    project.run(config(project), *OTHER)
    assert command(project, "rollback").code == 0
    return project


def config(project: Project) -> Path:
    return project.write_config(
        "harmed",
        data={"interactions": {"format": "synthetic", "queries": 150, "candidates": 60, "events_per_query": 10}},
        features={"query": {"country": {"type": "categorical"}}},
        evaluation={"min_lift_over_popularity": {}, "min_lift_over_published": {}},
        recommendations=None,
        **QUICK,
    )


def publisher(project: Project) -> Publisher:
    return Publisher(project.root / "serving", "harmed")


def newest(project: Project) -> Publication:
    found = publisher(project).newest()
    assert found is not None
    return found


def command(project: Project, verb: str, *options: object) -> Result:
    return cli(verb, "harmed", *options, "--root", project.root)


def files(version: str) -> list[Path]:
    return sorted(path for path in Path(version).rglob("*") if path.is_file())


def test_a_rollback_stands_against_the_same_weights_trained_again(project: Project) -> None:
    standing, first = newest(project), project.artifact("harmed", "Trainer", "model").path / "towers"
    told = project.run(config(project), *OTHER, "--from", "Trainer").out
    again = project.artifact("harmed", "Trainer", "model").path / "towers"
    assert directory_digest(first) != directory_digest(again), "the graph has other names; else nothing is tested"
    assert f"this model was rolled back: version {standing.version} is served instead" in told
    exported = project.artifact("harmed", "ScannIndexer", "serving_model").path
    (of,) = [found for found in publisher(project).versions() if found.identity == read_identity(exported / "exact")]
    assert of.version < standing.version == newest(project).version


def test_damage_to_any_file_is_told_and_the_version_is_used_for_nothing(project: Project) -> None:
    standing = newest(project)
    assert command(project, "versions", "--check").code == 0
    models = {"harmed": standing.exact, "harmed-scann": standing.scann}
    every = [(model, file) for model, version in models.items() for file in files(version)]
    assert {file.name for _, file in every} > {"saved_model.pb", "model.json", "digests.json", "rollback.json"}
    for model, file in every:
        name, content = file.relative_to(models[model]).as_posix(), file.read_bytes()
        for damage in DAMAGES.values():
            damage(file)
            checked = command(project, "versions", "--check", "--json")
            told = json.loads(checked.out)[-1]
            assert (checked.code, told["state"]) == (3, "damaged"), name
            assert any(text.startswith(f"{model}: {name} ") for text in told["damage"]), told["damage"]
            for verb, options in (("recommend", ["--history", "[]"]), ("rollback", [standing.version])):
                refused = command(project, verb, *options)
                assert (refused.code, f"{model}: {name} " in refused.err) == (3, True), refused.err
            file.write_bytes(content)
    assert command(project, "versions", "--check").code == 0


def test_the_server_takes_the_newest_that_is_whole(project: Project) -> None:
    variables = Path(newest(project).scann) / "variables" / "variables.data-00000-of-00001"
    content = variables.read_bytes()
    flip(variables)
    host = ModelHost(publisher(project).versions_of, "harmed-scann", BatchingOptions())
    assert host.current.version == publisher(project).versions()[-2].version
    variables.write_bytes(content)


def test_a_run_that_has_nothing_else_to_do_publishes_it_anew(project: Project) -> None:
    kinds = sorted(DAMAGES)
    for turn in range(2 * len(kinds)):
        before = newest(project)
        model, version = (("harmed", before.exact), ("harmed-scann", before.scann))[turn % 2]
        file = files(version)[5 * turn % len(files(version))]
        DAMAGES[kinds[turn % len(kinds)]](file)
        told, after = project.run(config(project)).out, newest(project)
        name = file.relative_to(version).as_posix()
        assert f"version {before.version} is damaged ({model}: {name} " in told
        assert f"the model was published again as version {after.version}" in told
        assert publisher(project).damage(after.version) == []
        assert publisher(project).identity(after.version) == publisher(project).identity(before.version)
        refused = command(project, "rollback", before.version)
        assert (refused.code, f"version {before.version} is damaged" in refused.err) == (3, True)
    assert "Nothing to do" in project.run(config(project)).out
    assert command(project, "versions", "--check").code == 3, "those that were damaged are still there"
