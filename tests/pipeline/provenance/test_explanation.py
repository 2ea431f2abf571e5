"""Each ingredient of a cache key is named where it changed, and what is none leaves a step reused."""

import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.base import Params
from pipeline.cli import main
from pipeline.execution import fingerprint
from pipeline.execution.dag import Pipeline
from pipeline.execution.records import DAMAGED, FORCED, NEW_KEY, OUTDATED, REASONS, RENEWED
from pipeline.provenance.changes import Change
from pipeline.provenance.explanation import Explanation, explain
from tests.paths import PROJECT
from tests.pipeline import toy_components
from tests.pipeline.execution.test_runner import Session
from tests.pipeline.toy_components import Add, AddParams, Finish, Source, SourceParams

TOYS = "tests/pipeline/toy_components.py"


class World:
    """A toy pipeline with a source file, and a copy of its code that tests may change."""

    def __init__(self, directory: Path) -> None:
        self.session = Session(directory / "root")
        self.data = directory / "data.txt"
        self.data.write_text("3")
        self.code = directory / "code"
        self.amount = 1
        self.add: type[Add] = Add
        for file in fingerprint.code_digests(toy_components.__name__, PROJECT):
            (self.code / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / file, self.code / file)

    def run(self, **selection: Any) -> None:
        fingerprint.code_digests.cache_clear()
        fingerprint.library_versions.cache_clear()
        pipeline = Pipeline("toy")
        source = pipeline.add(Source(SourceParams(file=self.data)))
        add = pipeline.add(self.add(AddParams(amount=self.amount)), node_id="Add", examples=source["examples"])
        pipeline.add(Finish(Params()), statistics=add["statistics"])
        self.session.run(pipeline, **selection)

    def explain(self, node: str) -> Explanation:
        store = self.session.store
        return explain(store, store.runs()[-1], node)

    def append(self, file: str, text: str) -> None:
        with (self.code / file).open("a") as stream:
            stream.write(text)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(fingerprint, "_PACKAGES", (*fingerprint._PACKAGES, "tests"))
    found = World(tmp_path)
    monkeypatch.setattr(fingerprint, "PROJECT", found.code)
    found.run()
    return found


def another_class(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class Increase(Add):
        """Adds under another name."""

    Increase.__module__ = Add.__module__
    world.add = Increase


def another_version(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "9.9" if name == "numpy" else versions(name))


def another_python(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "python_version", lambda: "3.99.0")


def another_parameter(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.amount = 5


def changed_data(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.data.write_text("4")


def changed_code(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.append("components/base.py", "\nADDED = 1\n")


def one_import_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.code / "models" / "extra.py").write_text("value = 1\n")
    world.append("components/base.py", "\nimport models.extra\n")


def one_import_less(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    file = world.code / "components" / "base.py"
    file.write_text(file.read_text().replace("from models.spec.strict import Strict", "Strict = object"))


Prepare = Callable[[World, pytest.MonkeyPatch], None]


@pytest.mark.parametrize(
    ("change", "node", "expected"),
    [
        (another_parameter, "Add", {("parameter", "amount", "changed")}),
        (changed_data, "Source", {("source", "number", "changed")}),
        (changed_data, "Add", {("input", "examples", "changed")}),
        (changed_code, "Add", {("code", "components/base.py", "changed"), ("input", "examples", "changed")}),
        (another_class, "Add", {("component", "class", "changed")}),
        (another_version, "Source", {("library", "numpy", "changed")}),
        (another_python, "Source", {("python", "python", "changed")}),
    ],
)
def test_the_ingredient_that_changed_is_named_and_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch, change: Prepare, node: str, expected: set[tuple[str, str, str]]
) -> None:
    change(world, monkeypatch)
    world.run()
    explanation = world.explain(node)
    assert explanation.step.state == "run"
    assert explanation.reason == NEW_KEY
    assert {(it.kind, it.name, it.how) for it in explanation.comparison.changes} == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [(one_import_more, ("models/extra.py", "added")), (one_import_less, ("models/spec/strict.py", "removed"))],
)
def test_files_of_code_that_came_or_went_are_named(
    world: World, monkeypatch: pytest.MonkeyPatch, change: Prepare, expected: tuple[str, str]
) -> None:
    change(world, monkeypatch)
    world.run()
    found = {(it.name, it.how) for it in world.explain("Source").comparison.changes if it.kind == "code"}
    assert {expected, ("components/base.py", "changed")} <= found


def a_comment(world: World) -> None:
    world.append("components/base.py", "\n# Only said.\n")


def a_docstring(world: World) -> None:
    world.append(TOYS, '\n"""Only said."""\n')


def an_import_for_types(world: World) -> None:
    (world.code / "models" / "types.py").write_text("value = 1\n")
    file = world.code / "dataplane" / "context.py"
    head = "if TYPE_CHECKING:\n"
    assert head in file.read_text()
    file.write_text(file.read_text().replace(head, f"{head}    import models.types\n"))


def an_error_message(world: World) -> None:
    (world.code / "dataplane" / "errors").mkdir(exist_ok=True)
    (world.code / "dataplane" / "errors" / "__init__.py").write_text("class DataError(Exception): ...\n")


def a_module_that_is_not_imported(world: World) -> None:
    (world.code / "models" / "unrelated.py").write_text("value = 1\n")


def the_time_of_a_source(world: World) -> None:
    os.utime(world.data, (0, 0))


@pytest.mark.parametrize(
    "change",
    [
        a_comment,
        a_docstring,
        an_import_for_types,
        an_error_message,
        a_module_that_is_not_imported,
        the_time_of_a_source,
    ],
)
def test_what_cannot_change_a_result_leaves_every_step_reused(world: World, change: Callable[[World], None]) -> None:
    first = world.session.executions
    change(world)
    world.run()
    for node in ("Source", "Add", "Finish"):
        explanation = world.explain(node)
        assert (explanation.step.state, explanation.reason, explanation.comparison) == ("cached", "", None)
        assert explanation.execution == first[node]


def test_parameters_are_shown_with_both_values(world: World) -> None:
    world.amount = 5
    world.run()
    assert world.explain("Add").comparison.changes == (Change("parameter", "amount", "changed", 1, 5),)


def test_changed_inputs_are_followed_to_what_changed_first(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.data.write_text("4")
    world.run()
    explanation = world.explain("Finish")
    assert [(it.node, [change.kind for change in it.changes]) for it in explanation.upstream] == [
        ("Add", ["input"]),
        ("Source", ["source"]),
    ]
    (change,) = explanation.comparison.changes
    assert change.before.address != change.after.address
    assert change.before.digest != change.after.digest
    assert main(["explain", "Finish", "--root", str(world.session.store.directory.parent)]) == 0
    told = capsys.readouterr().out
    assert REASONS[NEW_KEY] in told
    assert f"content {change.before.digest[:12]} → {change.after.digest[:12]}" in told
    assert "source  number  changed" in told


def test_an_input_of_equal_content_is_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.append(TOYS, "\nADDED = 1\n")
    world.run()
    assert main(["explain", "toy/Finish", "--root", str(world.session.store.directory.parent)]) == 0
    assert "equal content" in capsys.readouterr().out


def test_a_first_execution_is_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "Add", "--root", str(world.session.store.directory.parent)]) == 0
    assert "first execution; no earlier one is recorded" in capsys.readouterr().out


def damage(world: World) -> dict[str, Any]:
    (world.session.store.output(world.session.executions["Add"], "statistics") / "number.json").unlink()
    return {}


def force(world: World) -> dict[str, Any]:
    return {"start": "Add"}


@pytest.mark.parametrize(("prepare", "reason"), [(damage, DAMAGED), (force, FORCED)])
def test_an_execution_with_an_equal_key_has_its_reason(
    world: World, capsys: pytest.CaptureFixture[str], prepare: Callable[[World], dict[str, Any]], reason: str
) -> None:
    world.run(**prepare(world))
    explanation = world.explain("Add")
    assert (explanation.reason, explanation.comparison.changes) == (reason, ())
    assert main(["explain", "Add", "--root", str(world.session.store.directory.parent)]) == 0
    told = capsys.readouterr().out
    assert REASONS[reason] in told
    assert "no ingredient differs" in told


def test_a_result_that_no_longer_fits_what_is_published_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Add, "is_current", lambda self, outputs: False)
    world.run()
    assert world.explain("Add").reason == OUTDATED


def test_an_input_that_was_made_again_with_other_content_is_told(world: World) -> None:
    source = world.session.executions["Source"]
    world.session.store.commit(replace(source, digests={}))
    number = world.session.store.output(source, "examples") / "number.json"
    number.write_text("9\n")
    manifest = number.parents[1] / "manifest.json"
    record = json.loads(manifest.read_text())
    record["digests"]["examples/number.json"] = "0" * 32
    manifest.write_text(json.dumps(record))
    world.run()
    assert world.explain("Source").reason == DAMAGED
    assert world.explain("Add").reason == RENEWED


def test_a_failed_step_says_that_its_ingredients_are_not_recorded(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(Add, "execute", fail)
    world.amount = 5
    with pytest.raises(ValueError, match="broken"):
        world.run()
    for node, told in (("Add", "(failed): no earlier execution has"), ("Finish", "was not reached")):
        assert main(["explain", node, "--root", str(world.session.store.directory.parent)]) == 0
        assert told in capsys.readouterr().out


def test_records_of_an_older_release_are_compared_as_far_as_they_go(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.append(TOYS, "\nADDED = 1\n")
    world.run()
    for manifest in world.session.store.directory.glob("*/*/manifest.json"):
        record = json.loads(manifest.read_text())
        del record["code"], record["external"]
        manifest.write_text(json.dumps(record))
    assert main(["explain", "Source", "--root", str(world.session.store.directory.parent)]) == 0
    told = capsys.readouterr().out
    assert "nothing that both records hold differs, so code or a source does" in told
    assert f"Source/{world.session.executions['Source'].id}" in told


def test_json_has_the_same_content(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.data.write_text("4")
    world.amount = 5
    world.run()
    assert main(["explain", "Add", "--json", "--root", str(world.session.store.directory.parent)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["step"], found["state"], found["reason"]) == ("Add", "run", NEW_KEY)
    assert [change["kind"] for change in found["comparison"]["changes"]] == ["input", "parameter"]
    assert found["comparison"]["changes"][1]["after"] == 5
    assert found["upstream"][0]["step"] == "Source"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["Trainer"], "has no step 'Trainer'; its steps are Source, Add, Finish"),
        (["Add", "20200101"], "no run '20200101'"),
        (["other/Add"], "no pipeline 'other'"),
    ],
)
def test_unknown_names_are_refused_with_the_known_ones(
    world: World, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert main(["explain", *arguments, "--root", str(world.session.store.directory.parent)]) == 2
    assert told in capsys.readouterr().err
