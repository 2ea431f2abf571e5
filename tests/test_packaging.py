"""What users and contributors get: the source distribution, its metadata, and the files that repeat some of them."""

import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).parents[1]
PACKAGES = sorted({path.parent.name for path in PROJECT.glob("*/__init__.py")} - {"tests", "benchmarks", "tools"})


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with `dist/`, its source distribution, and `installed/`, what that would install."""
    copy = tmp_path_factory.mktemp("built")
    for name in [*PACKAGES, "tfx_config", "docs", "examples", "notebooks"]:
        shutil.copytree(PROJECT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in PROJECT.iterdir():
        if file.is_file():
            shutil.copy(file, copy)
    command = [sys.executable, "setup.py", "-q", "sdist", "build_py", "--build-lib", "installed"]
    subprocess.run(command, cwd=copy, check=True, capture_output=True)
    return copy


@pytest.fixture(scope="module")
def archived(built: Path) -> dict[str, bytes]:
    """Files of the source distribution, by their path in the project."""
    (archive,) = (built / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as contents:
        files = ((member.name, contents.extractfile(member)) for member in contents)
        return {name.partition("/")[2]: file.read() for name, file in files if file is not None}


@pytest.fixture(scope="module")
def metadata(archived: dict[str, bytes]) -> Message:
    return BytesParser().parsebytes(archived["PKG-INFO"])


def read_yaml(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((PROJECT / name).read_text(encoding="utf-8"))
    return content


def supported_pythons(classifiers: Iterable[str]) -> list[str]:
    found = (re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", classifier) for classifier in classifiers)
    return [match[1] for match in found if match]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_ships_its_types(package: str, archived: dict[str, bytes], built: Path) -> None:
    assert f"{package}/py.typed" in archived
    assert (built / "installed" / package / "py.typed").is_file()


def test_every_module_is_shipped(archived: dict[str, bytes]) -> None:
    modules = {str(path.relative_to(PROJECT)) for package in PACKAGES for path in (PROJECT / package).rglob("*.py")}
    assert len(modules) > 100
    assert modules - set(archived) == set()


def test_the_source_distribution_has_what_the_readme_sends_its_users_to(archived: dict[str, bytes]) -> None:
    folders = (PROJECT / name for name in ("tfx_config", "docs", "examples", "notebooks"))
    examples = {str(path.relative_to(PROJECT)) for folder in folders for path in folder.rglob("*") if path.is_file()}
    documents = {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CITATION.cff", "LICENSE"}
    assert (examples | documents | {"setup.py", "pyproject.toml", "requirements.lock"}) - set(archived) == set()


def test_ci_checks_the_pythons_that_are_promised(metadata: Message) -> None:
    promised = supported_pythons(metadata.get_all("Classifier", []))
    job = read_yaml(".github/workflows/checks.yml")["jobs"]["checks"]
    assert job["strategy"]["matrix"]["python"] == promised
    first, last = (int(version.partition(".")[2]) for version in (promised[0], promised[-1]))
    assert set(metadata["Requires-Python"].split(",")) == {f">=3.{first}", f"<3.{last + 1}"}


def test_ci_runs_what_contributors_run() -> None:
    jobs = read_yaml(".github/workflows/checks.yml")["jobs"]
    commands = {step["run"] for job in jobs.values() for step in job["steps"] if "run" in step}
    assert {".ci/run", "make coverage", "make test.docs", "make test.benchmarks"} <= commands
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^coverage:.*\n.*pytest.* --cov .*--cov-fail-under [1-9]", makefile, re.MULTILINE)


@pytest.mark.parametrize("name", ["bug.yml", "feature.yml"])
def test_issue_forms_are_what_github_accepts(name: str) -> None:
    form = read_yaml(f".github/ISSUE_TEMPLATE/{name}")
    assert {"name", "description", "body"} <= set(form)
    asked = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in asked}) == len(asked) > 0
    assert all(field["attributes"]["label"] for field in asked)


def test_dependabot_looks_after_libraries_and_actions() -> None:
    updates = read_yaml(".github/dependabot.yml")["updates"]
    assert {update["package-ecosystem"] for update in updates} == {"pip", "github-actions"}


def test_hooks_before_a_commit_need_no_network() -> None:
    (repository,) = read_yaml(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}


def test_the_citation_names_the_same_software(metadata: Message) -> None:
    citation = read_yaml("CITATION.cff")
    told = (metadata["Name"], metadata["Version"], metadata["License"], metadata["Summary"])
    assert (citation["title"], citation["version"], citation["license"], citation["abstract"].removesuffix(".")) == told


def test_the_files_of_the_pages_are_installed(archived: dict[str, bytes], built: Path) -> None:
    templates = PROJECT / "pipeline" / "reporting" / "templates"
    files = [str(file.relative_to(PROJECT)) for file in templates.rglob("*") if file.is_file()]
    assert len(files) > 10
    files.append("serving/server/try_page.html")
    assert set(files) <= archived.keys()
    assert [file for file in files if not (built / "installed" / file).is_file()] == []
