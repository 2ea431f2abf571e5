"""What stands published, found from the records under a root."""

from pathlib import Path

from pipeline.execution.published import Published
from tests.pipeline.commands.test_versions import root, target

__all__ = ["root", "target"]


def test_both_models_of_the_newest_version_are_found(root: Path) -> None:
    found = Published.newest(root, "toy")
    for name, model in (("exact", found.exact), ("scann", found.scann)):
        assert (model / "saved_model.pb").read_text() == name
        assert model.name == str(found.version)
