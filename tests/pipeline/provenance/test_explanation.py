"""Each ingredient of a cache key is named where it changed, and what is none leaves a step reused."""

import importlib.metadata
import os
import platform
from collections.abc import Callable

import pytest

from pipeline.execution.records import NEW_KEY
from tests.pipeline.provenance.world import TOYS, World
from tests.pipeline.toy_components import Add


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
