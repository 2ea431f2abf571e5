"""Versions of models in an object store, which has neither renames nor locks.

A version exists once its `saved_model.pb` does, because nothing can load a model without that file. A publisher uploads
it last, after all other files are in the store at their full size, and deletes it first. Files without a
`saved_model.pb` are leftovers: they count as no version, and are removed a day later.

Two publishers never get the same number. Each claims a number by writing an empty object with a name of its own, and
then lists all claims and versions. A publisher that sees another claim as high as its own withdraws its claim and makes
a higher one. Of two publishers that claim at the same moment at least one sees the other, because stores list every
object that has been written. The higher number is the newest version, even if the other publisher finishes later.
"""

import random
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from dataplane.errors import RunError
from dataplane.files import objects, storage
from serving.published.cached_versions import NEEDED, CachedVersions
from serving.published.labels import is_label, parsed_labels
from serving.published.models_config import ConfiguredModel, models_config

_ABANDONED_SECONDS = 86_400
_LONGEST_PAUSE = 1.0


class ObjectVersions:
    """The versions of models below a URI; see `serving.published.publishing.Versions`.

    Attributes:
        location: the URI.
    """

    def __init__(self, uri: str, name: str) -> None:
        self.location = uri.rstrip("/")
        self._name = name
        self._cached = CachedVersions(self.location)
        self._claims = storage.join(self.location, f".{name}", "claims")
        self._note = storage.join(self.location, f".{name}", "note")
        self._staged: dict[tuple[str, int], bytes] = {}

    @property
    def changes(self) -> Path | None:
        """None: an object store cannot append to a file."""
        return None

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Locks nothing: claims keep publishers apart."""
        yield

    def numbers(self, model: str) -> set[int]:
        """The published versions of a model."""
        return {number for number, is_whole in self._found(model).items() if is_whole}

    def read(self, model: str, version: int, file: Path) -> bytes | None:
        """Content of a file of a version; None if the file is absent."""
        return _read(storage.join(self.where(model, version), file.as_posix()))

    def check(self, model: str, version: int) -> list[str]:
        """The damage of a version, one text per file; the first check downloads all its files."""
        return self._cached.damage(model, version)

    def where(self, model: str, version: int) -> str:
        """The URI of a version."""
        return storage.join(self.location, model, str(version))

    def fetch(self, model: str, version: int) -> Path:
        """A local copy of a version, in the user's cache; copies of versions that are gone are removed."""
        self._cached.forget(model, self.numbers(model))
        return self._cached.copy(model, version)

    def new_number(self, models: Sequence[str]) -> int:
        """Claims a number above those of the models' versions that nobody else has."""
        own = uuid.uuid4().hex
        number = max(int(time.time()), 1 + max(map(self._highest, models)))
        while True:
            claim = storage.join(self._claims, f"{number}-{own}")
            objects.write_bytes(claim, b"")
            highest = max((claimed for claimed, owner in self._claimed() if owner != own), default=0)
            # Versions are listed after the claims, because a claim stays until a higher version exists.
            highest = max(highest, *map(self._highest, models))
            if highest < number:
                return number
            objects.delete(claim)
            time.sleep(random.uniform(0, _LONGEST_PAUSE))  # noqa: S311
            number = highest + 1

    def stage(self, model: str, version: int, source: Path, extra: Mapping[Path, bytes | None]) -> None:
        """Uploads all files except `saved_model.pb`, and checks that they are in the store."""
        target, sizes = self.where(model, version), {}
        for path in sorted(path for path in source.rglob("*") if path.is_file()):
            file = path.relative_to(source)
            if file not in extra and file != Path(NEEDED):
                objects.upload(path, storage.join(target, file.as_posix()))
                sizes[file] = path.stat().st_size
        for file, content in extra.items():
            if content is not None:
                objects.write_bytes(storage.join(target, file.as_posix()), content)
                sizes[file] = len(content)
        found = {file.location: file.size for file in storage.list_files(target)}
        for file, size in sizes.items():
            location = storage.join(target, file.as_posix())
            if found.get(location) != size:
                raise RunError(f"{location} has {found.get(location)} of {size} bytes after its upload; push again")
        self._staged[model, version] = (source / NEEDED).read_bytes()

    def reveal(self, model: str, version: int) -> None:
        """Uploads `saved_model.pb`, which makes the files a version."""
        objects.write_bytes(storage.join(self.where(model, version), NEEDED), self._staged.pop((model, version)))

    def remove(self, model: str, version: int) -> None:
        """Removes a version, `saved_model.pb` first."""
        objects.delete(storage.join(self.where(model, version), NEEDED))
        objects.delete_tree(self.where(model, version))

    def tidy(self, models: Sequence[str], *, suffix: str) -> None:
        """Removes leftovers and claims that are more than a day old, and writes `models.config`."""
        long_ago = min(int(time.time()) - _ABANDONED_SECONDS, *map(self._highest, models))
        for model in models:
            for number, is_whole in self._found(model).items():
                if not is_whole and number < long_ago:
                    objects.delete_tree(self.where(model, number))
        for number, owner in self._claimed():
            if number < long_ago:
                objects.delete(storage.join(self._claims, f"{number}-{owner}"))
        every = [name for name in objects.list_directories(self.location) if not name.startswith(".")]
        config = models_config(map(partial(self._configured, suffix=suffix), every), suffix=suffix)
        objects.write_bytes(storage.join(self.location, "models.config"), config.encode())

    def labels(self) -> dict[str, int]:
        """The version of each label."""
        return self._labels_of(self._name)

    def set_label(self, label: str, version: int | None) -> None:
        """Gives a label to a version; None takes the label away."""
        location = storage.join(self._labels(self._name), label)
        if version is None:
            objects.delete(location)
        else:
            objects.write_bytes(location, f"{version}\n".encode())

    def note(self) -> bytes | None:
        """Content of the note; None if there is none."""
        return _read(self._note)

    def leave_note(self, content: bytes | None) -> None:
        """Leaves a note for the next publisher; None removes the note."""
        if content is not None:
            objects.write_bytes(self._note, content)
        else:
            objects.delete(self._note)

    def _labels(self, name: str) -> str:
        return storage.join(self.location, f".{name}", "labels")

    def _labels_of(self, name: str) -> dict[str, int]:
        found = {file.location.rpartition("/")[2]: file.location for file in storage.list_files(self._labels(name))}
        return parsed_labels({label: _read(location) or b"" for label, location in found.items() if is_label(label)})

    def _configured(self, model: str, *, suffix: str) -> ConfiguredModel:
        labels = self._labels_of(model.removesuffix(suffix))
        versions = frozenset(self.numbers(model)) if labels else frozenset[int]()
        return ConfiguredModel(model, storage.join(self.location, model), versions, labels)

    def _found(self, model: str) -> dict[int, bool]:
        """Numbers below which there are files, and whether `saved_model.pb` is one of the files."""
        found: dict[int, bool] = {}
        directory = storage.join(self.location, model, "")
        for file in storage.list_files(directory):
            name, _, rest = file.location[len(directory) :].partition("/")
            if rest and name.isascii() and name.isdigit():
                found[int(name)] = found.get(int(name), False) or rest == NEEDED
        return found

    def _highest(self, model: str) -> int:
        return max(self.numbers(model), default=0)

    def _claimed(self) -> list[tuple[int, str]]:
        names = [file.location.rpartition("/")[2] for file in storage.list_files(self._claims)]
        return [(int(number), owner) for number, _, owner in (name.partition("-") for name in names)]


def _read(location: str) -> bytes | None:
    try:
        return objects.read_bytes(location)
    except RunError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise
