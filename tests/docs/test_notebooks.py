"""Notebooks and the page on Python name what there is; the slow tests execute them, one after another."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tfrs_pipeline as tp
from tests.docs.blocks import blocks
from tests.paths import PROJECT

NOTEBOOKS = [PROJECT / "notebooks" / name for name in ("own_data.ipynb", "inside_a_model.ipynb")]
"""In the order in which they build on each other."""
PAGE = PROJECT / "docs/python.md"
NAMES = {"tp": tp, "run": tp.Run, "inside": tp.Run}
"""Variables of the examples, and what they are."""


def cells(notebook: Path) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return content


def code(file: Path) -> str:
    """The code of a notebook, or of the Python blocks of a page."""
    if file.suffix == ".ipynb":
        return "\n".join("".join(cell["source"]) for cell in cells(file) if cell["cell_type"] == "code")
    return "\n".join(block.text for block in blocks(file) if block.language == "python")


def test_every_notebook_is_executed_and_named_by_the_page() -> None:
    assert sorted((PROJECT / "notebooks").glob("*.ipynb")) == sorted(NOTEBOOKS)
    page = PAGE.read_text(encoding="utf-8")
    assert [file.name for file in NOTEBOOKS if f"`notebooks/{file.name}`" not in page] == []


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda file: file.stem)
def test_notebooks_are_kept_without_outputs(notebook: Path) -> None:
    executed = [cell for cell in cells(notebook) if cell.get("outputs") or cell.get("execution_count")]
    assert executed == []


@pytest.mark.parametrize("file", [*NOTEBOOKS, PAGE], ids=lambda file: file.stem)
def test_what_the_examples_use_is_there(file: Path) -> None:
    known = {name: set(dir(kind)) for name, kind in NAMES.items()}
    known["run"] |= {"id", "pipeline", "state", "message"}
    used = [
        (it.value.id, it.attr)
        for it in ast.walk(ast.parse(code(file)))
        if isinstance(it, ast.Attribute) and isinstance(it.value, ast.Name) and it.value.id in known
    ]
    assert len(used) > 5
    assert [(name, attribute) for name, attribute in used if attribute not in known[name]] == []


def test_the_page_has_every_public_name_of_a_run() -> None:
    page = PAGE.read_text(encoding="utf-8")
    public = [name for name in dir(tp.Run) if not name.startswith("_")]
    assert [name for name in public if f"`{name}`" not in page] == []
    errors = [name for name in tp.__all__ if name.endswith("Error")]
    assert [name for name in errors if f"`{name}`" not in page] == []


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("notebooks")
    for notebook in NOTEBOOKS:
        shutil.copy(notebook, directory)
    return directory


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda file: file.stem)
def test_notebooks_run(notebook: Path, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    content = nbformat.read(directory / notebook.name, as_version=4)
    client = NotebookClient(content, timeout=900, kernel_name="python3", resources={"metadata": {"path": directory}})
    client.execute()
    shown = json.dumps([cell.get("outputs") for cell in content.cells])
    assert "Published as version" in shown


@pytest.mark.e2e
@pytest.mark.slow
def test_the_page_runs_after_the_notebooks(directory: Path) -> None:
    script = directory / "page.py"
    script.write_text(f"import webbrowser\nwebbrowser.open = print\n{code(PAGE)}", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, script], cwd=directory, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Pusher refused: not published" in done.stdout
