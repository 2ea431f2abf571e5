"""What holds for every component, whichever it is."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from components.base import Component, NoInputs
from dataplane.artifacts import Artifact
from models.spec.strict import Strict
from pipeline.execution.dag import OutputRef, Pipeline
from tests.paths import PROJECT

NAMES = sorted(file.parent.name for file in (PROJECT / "components").glob("*/component.py"))
HEAVY = ("tensorflow", "tf_keras", "apache_beam", "scann", "pyarrow")


def component_class(name: str) -> type[Component]:
    package = importlib.import_module(f"components.{name}")
    (found,) = (value for value in vars(package).values() if isinstance(value, type) and issubclass(value, Component))
    return found


def params_classes(name: str) -> list[type[Strict]]:
    package = importlib.import_module(f"components.{name}")
    return [value for value in vars(package).values() if isinstance(value, type) and issubclass(value, Strict)]


def test_every_component_has_a_package_of_its_own() -> None:
    assert len(NAMES) == 14
    directories = {path.name for path in (PROJECT / "components").iterdir() if (path / "__init__.py").exists()}
    assert directories == set(NAMES)


def test_contracts_and_parameters_load_nothing_heavy() -> None:
    modules = [f"components.{name}" for name in NAMES] + ["pipeline.config.config", "pipeline.create_pipeline"]
    code = f"import sys, importlib; [importlib.import_module(m) for m in {modules}]; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True, capture_output=True, text=True)
    assert set(HEAVY).isdisjoint(loaded.stdout.split())


@pytest.mark.parametrize("name", NAMES)
def test_the_component_is_called_as_its_package(name: str) -> None:
    assert component_class(name).__name__ == "".join(part.capitalize() for part in name.split("_"))


@pytest.mark.parametrize("name", NAMES)
def test_inputs_and_outputs_are_artifacts(name: str) -> None:
    component = component_class(name)
    for kind in [*component.input_types().values(), *component.output_types().values()]:
        assert issubclass(kind, Artifact)
    assert component.output_types()
    assert component.required_inputs() <= set(component.input_types())


@pytest.mark.parametrize("name", NAMES)
def test_parameters_survive_a_round_trip(name: str) -> None:
    for kind in params_classes(name):
        try:
            params = kind()
        except ValueError:  # some have no defaults; their own tests make them
            continue
        assert kind.model_validate(json.loads(params.model_dump_json(exclude_unset=True))) == params


@pytest.mark.parametrize("name", NAMES)
def test_unknown_parameters_are_refused(name: str) -> None:
    for kind in params_classes(name):
        with pytest.raises(ValueError, match="no_such_parameter"):
            kind.model_validate({"no_such_parameter": 1})


@pytest.mark.parametrize("name", [name for name in NAMES if component_class(name).Inputs is not NoInputs])
def test_a_node_without_its_inputs_is_refused(name: str) -> None:
    component = component_class(name)
    node = object.__new__(component)  # its parameters do not matter to the wiring
    with pytest.raises(ValueError, match=f"{component.__name__}: missing inputs"):
        Pipeline("p").add(node)
    with pytest.raises(ValueError, match="unknown inputs"):
        Pipeline("p").add(node, no_such_input=OutputRef("ExampleGen", "examples"))


@pytest.mark.parametrize("name", NAMES)
def test_its_rooms_are_named_alike(name: str) -> None:
    directory = PROJECT / "components" / name
    assert {"__init__.py", "component.py", "params.py"} <= {file.name for file in directory.glob("*.py")}
    assert (PROJECT / "tests" / "components" / name).is_dir()


def test_nothing_else_lies_beside_the_components() -> None:
    files = {path.name for path in Path(PROJECT / "components").glob("*.py")}
    assert files == {"__init__.py", "base.py"}
