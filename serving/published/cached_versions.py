"""Keeps copies of an object store's versions in the user's cache, with the damage found in each.

A version is downloaded to check it or to load it. The result stays valid while its objects keep their sizes and entity
tags, so an unchanged version, whole or damaged, is not downloaded again for the same purpose.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from dataplane.errors import RunError
from dataplane.files import objects, storage
from dataplane.files.locks import exclusive
from models.spec.durable import write_atomically
from serving.model.version_digests import changed_files, check_version, has_digests

NEEDED = "saved_model.pb"
"""The file whose presence makes a directory a version."""


class _Found(BaseModel):
    """The result of checking a version; the file `VERSION.json` beside its copy.

    Attributes:
        objects: size and tag of each object before the download, by its path in the version.
        damage: result of `version_digests.check_version`.
    """

    model_config = ConfigDict(frozen=True)

    objects: Mapping[str, str]
    damage: list[str]


class CachedVersions:
    """Local copies and check results of the versions below a URI."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        self._directory = cache / "tfrs-pipeline" / hashlib.sha256(uri.encode()).hexdigest()[:16]

    def damage(self, model: str, version: int) -> list[str]:
        """The damage of a version in the store.

        Raises:
            RunError: the version does not exist or cannot be downloaded.
        """
        there = self._objects(model, version)
        found = self._found(model, version, there)
        return (found or self._download(model, version, there, keep=False)).damage

    def copy(self, model: str, version: int) -> Path:
        """A local copy of a version in the store, damaged or not.

        Raises:
            RunError: the version does not exist or cannot be downloaded.
        """
        there, copy = self._objects(model, version), self._copy(model, version)
        copy.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(copy.parent):  # no process may replace a copy that another has just got
            found = self._found(model, version, there)
            if found is None or not copy.is_dir() or not set(_changed(copy)) <= set(found.damage):
                self._download(model, version, there, keep=True)
        return copy

    def forget(self, model: str, there: set[int]) -> None:
        """Removes copies and results of versions that no longer exist.

        Args:
            model: name of the model.
            there: numbers of the versions that exist.
        """
        for entry in self._copy(model, 0).parent.glob("*"):
            if entry.stem.isdigit() and int(entry.stem) not in there:
                if entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    entry.unlink(missing_ok=True)

    def _objects(self, model: str, version: int) -> dict[str, str]:
        directory = storage.join(self._uri, model, str(version), "")
        locations = [file.location for file in storage.list_files(directory)]
        if directory + NEEDED not in locations:
            raise RunError(f"{directory.rstrip('/')} no longer exists")
        tags = storage.versions(locations)
        return {location.removeprefix(directory): tag for location, tag in zip(locations, tags, strict=True)}

    def _found(self, model: str, version: int, there: Mapping[str, str]) -> _Found | None:
        """The stored result of a version; None if its objects have changed since."""
        try:
            content = self._copy(model, version).with_suffix(".json").read_bytes()
            found = _Found.model_validate_json(content)
        except (OSError, ValidationError):
            return None
        return found if found.objects == there else None

    def _download(self, model: str, version: int, there: Mapping[str, str], *, keep: bool) -> _Found:
        copy = self._copy(model, version)
        copy.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=copy.parent, prefix=".download-") as scratch:
            fresh = Path(scratch) / "model"
            objects.download_tree(storage.join(self._uri, model, str(version)), fresh)
            found = _Found(objects=there, damage=check_version(fresh))
            with suppress(FileNotFoundError):  # the copy is of other objects, or was modified
                copy.rename(fresh.with_name("old"))
            if keep:
                with suppress(OSError):  # another process has made the copy
                    fresh.rename(copy)
        write_atomically(copy.with_suffix(".json"), found.model_dump_json())
        return found

    def _copy(self, model: str, version: int) -> Path:
        return self._directory / model / str(version)


def _changed(copy: Path) -> list[str]:
    """Files of a copy that were modified; empty for a version of an older release, which has no digests."""
    return changed_files(copy) if has_digests(copy) else []
