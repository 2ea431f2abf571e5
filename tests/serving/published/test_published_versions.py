"""What the published versions of one name tell."""

import json
from pathlib import Path
from typing import Any

from serving.published.published_versions import PublishedVersions
from serving.published.publishing import Publisher


def publish(path: Path, **description: dict[str, str]) -> None:
    """Publishes a pair of directories that look like serving models as `toy`."""
    models: dict[str, Any] = {name: path / description["identity"]["towers"] / name for name in ("exact", "scann")}
    for model in models.values():
        (model / "assets.extra").mkdir(parents=True)
        (model / "saved_model.pb").touch()
        (model / "assets.extra" / "model.json").write_text(json.dumps(description))
    Publisher(path / "serving", "toy").publish(**models, keep_versions=3)


def test_a_refreshed_index_stands_for_the_model_it_was_refreshed_for(tmp_path: Path) -> None:
    publish(tmp_path, identity={"towers": "a"})
    publish(tmp_path, identity={"towers": "b"}, refresh_of={"towers": "a"})
    there = PublishedVersions(tmp_path / "serving", "toy")
    trained, refreshed = (found.version for found in there.versions())
    assert there.identity(refreshed) == {"towers": "b"}
    assert there.trained_identity(refreshed) == there.trained_identity(trained) == {"towers": "a"}


def test_what_is_found_is_no_new_publication(tmp_path: Path) -> None:
    publish(tmp_path, identity={"towers": "a"})
    newest = PublishedVersions(tmp_path / "serving", "toy").newest()
    assert newest is not None
    assert not newest.new
    assert Path(newest.exact).parent == tmp_path / "serving" / "toy"
