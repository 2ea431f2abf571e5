from importlib import metadata

import pytest

from pipeline.diagnosis import packages as looked_at
from pipeline.diagnosis.finding import Finding
from pipeline.diagnosis.packages import loading, packages

REQUIRED = ["tensorflow==2.20.*", "pydantic>=2", 'optuna; extra == "tune"', 'nosuchthing; extra == "serving"']


class Installed:
    """What is installed, as `importlib.metadata` tells it, but for some versions and requirements."""

    PackageNotFoundError = metadata.PackageNotFoundError

    def __init__(self, versions: dict[str, str], requires: dict[str, list[str]]) -> None:
        self._versions, self._requires = versions, requires

    def version(self, name: str) -> str:
        return self._versions.get(name) or metadata.version(name)

    def requires(self, name: str) -> list[str] | None:
        return self._requires[name] if name in self._requires else metadata.requires(name)

    def metadata(self, name: str) -> object:
        return metadata.metadata(name)


def found_with(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str], **requires: list[str]) -> dict[str, Finding]:
    installed = Installed(versions, {"tfrs-pipeline": REQUIRED, **requires})
    monkeypatch.setattr(looked_at, "metadata", installed)
    return {found.name: found for found in packages()}


def test_the_environment_of_these_tests_is_sound() -> None:
    found = {each.name: each for each in packages()}
    assert not [each for each in found.values() if each.fix]
    assert f"tensorflow {metadata.version('tensorflow')}" in found["packages"].found
    assert found["extra dev"].found == "installed"


def test_a_version_that_is_not_wanted_is_to_be_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    found = found_with(monkeypatch, {"tensorflow": "2.19.0"})
    assert "tensorflow is 2.19.0, wanted ==2.20.*" in found["packages"].found
    assert found["packages"].fix


def test_what_a_required_package_wants_in_turn_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = found_with(monkeypatch, {}, pydantic=["typing-extensions>=99", "nothing-like-it"])
    assert "typing-extensions is " in found["packages"].found
    assert "wanted >=99 for pydantic" in found["packages"].found
    assert "nothing-like-it is missing for pydantic" in found["packages"].found


def test_an_extra_that_is_not_installed_is_told_and_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    found = found_with(monkeypatch, {})
    assert found["extra tune"] == Finding("extra tune", "installed")
    absent = "not installed; pip install 'tfrs-pipeline[serving]'"
    assert found["extra serving"] == Finding("extra serving", absent, is_there=False)
    assert (found["extra tune"].state, found["extra serving"].state) == ("sound", "absent")


def test_of_many_packages_that_an_extra_lacks_some_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"lacking{number}" for number in range(9)]
    monkeypatch.setattr(
        "tests.pipeline.diagnosis.test_packages.REQUIRED", [f'{it}; extra == "tune"' for it in ("pydantic", *names)]
    )
    told = found_with(monkeypatch, {})["extra tune"].found
    assert told == "not installed: lacks lacking0, lacking1, lacking2 and 6 more; pip install 'tfrs-pipeline[tune]'"


def test_a_library_that_does_not_load_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looked_at, "_LOAD", "raise ImportError('undefined symbol: _ZN')")
    (found,) = loading()
    assert found.found == "TensorFlow with ScaNN does not load: ImportError: undefined symbol: _ZN"
    assert found.fix
    monkeypatch.setattr(looked_at, "_LOAD", "import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    (found,) = loading()
    assert found.found.endswith("ended by SIGILL")
    assert found.fix == "the processor lacks instructions of the wheels"
