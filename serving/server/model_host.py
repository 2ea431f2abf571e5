"""Holds a published model in this process and replaces it by the next version once that is warm."""

import gc
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dataplane.errors import RunError
from serving.published.versions import Versions
from serving.server.batching import BatchingOptions
from serving.server.loaded_model import LoadedModel, without_paths

_LOG = logging.getLogger(__name__)
_TRY_AGAIN_SECONDS = 60
_MOST_LOGGED = 2000  # characters of the error of a version that cannot be loaded


@dataclass(frozen=True)
class VersionState:
    """State of a version in TensorFlow Serving's terms.

    Attributes:
        version: number of the version.
        state: LOADING, AVAILABLE, or END if the version cannot be loaded.
        error: why the version cannot be loaded, without paths of this machine; "" otherwise.
    """

    version: int
    state: str
    error: str = ""


@dataclass(frozen=True)
class _Failure:
    error: str
    try_again: float


class ModelHost:
    """Holds the newest version of one model that can be loaded; requests under way finish with the version before.

    A version that cannot be loaded is reported, left aside, and tried again a minute later. Meanwhile the next newest
    version serves.
    """

    def __init__(
        self,
        versions: Versions,
        name: str,
        batching: BatchingOptions,
        *,
        on_batch: Callable[[int], None] = lambda rows: None,
    ) -> None:
        """Loads the newest version that can be loaded.

        Args:
            versions: where versions are published.
            name: name of the model.
            batching: how requests are joined.
            on_batch: called with the number of rows of each batch.

        Raises:
            RunError: no version can be loaded.
        """
        self._versions, self._name, self._batching, self._on_batch = versions, name, batching, on_batch
        self._loading: int | None = None
        self._failures: dict[int, _Failure] = {}
        published = sorted(self._versions.numbers(name), reverse=True)
        if not published:
            raise RunError(f"there is no version of {name} in {versions.location}")
        _LOG.info("%s: loading version %d from %s", name, published[0], versions.location)
        began = time.monotonic()
        first = self._first_that_loads(published)
        if first is None:
            newest = self._failures[published[0]]
            raise RunError(f"no version of {name} in {versions.location} can be loaded; the newest: {newest.error}")
        self.current = first
        _LOG.info("%s: version %d, loaded in %.1f s", name, first.version, time.monotonic() - began)

    @property
    def states(self) -> list[VersionState]:
        """States of the version that answers and of newer ones, newest first."""
        current = self.current.version
        found = {
            version: VersionState(version, "END", failure.error)
            for version, failure in dict(self._failures).items()
            if version > current
        }
        found[current] = VersionState(current, "AVAILABLE")
        if (loading := self._loading) is not None:
            found[loading] = VersionState(loading, "LOADING")
        return [found[version] for version in sorted(found, reverse=True)]

    def refresh(self) -> bool:
        """Loads the newest version that can be loaded, unless it answers already; returns whether another one answers.

        Never raises: the server goes on, whatever is published.
        """
        try:
            published = sorted(self._versions.numbers(self._name), reverse=True)
        except Exception as error:  # the directory may be on another machine
            _LOG.error("%s: cannot look for versions: %s", self._name, error)
            return False
        self._failures = {version: failure for version, failure in self._failures.items() if version in published}
        newer = published
        if self.current.version in published:
            newer = published[: published.index(self.current.version)]
        found = self._first_that_loads(newer)
        if found is None:
            return False
        self.current = found
        _LOG.info("%s: version %d", self._name, found.version)
        return True

    def _first_that_loads(self, versions: list[int]) -> LoadedModel | None:
        """Loads the first version that can be loaded; skips versions that failed less than a minute ago."""
        for version in versions:
            failure = self._failures.get(version)
            if failure is not None and time.monotonic() < failure.try_again:
                continue
            if (loaded := self._load(version)) is not None:
                return loaded
        return None

    def _load(self, version: int) -> LoadedModel | None:
        self._loading = version
        try:
            path = self._versions.fetch(self._name, version)
            loaded = LoadedModel(path, self._batching, on_batch=self._on_batch)
        except Exception as error:
            cause = error.__cause__ or error  # has the paths that clients do not see
            details = (self._name, version, type(cause).__name__, str(cause)[:_MOST_LOGGED])
            _LOG.error("%s: version %d is left aside: %s: %s", *details)
            self._failures[version] = _Failure(without_paths(error), time.monotonic() + _TRY_AGAIN_SECONDS)
            return None
        finally:
            self._loading = None
        self._failures.pop(version, None)
        return loaded


def watch(hosts: Mapping[str, ModelHost], *, seconds: float, stop: threading.Event) -> None:
    """Refreshes the hosts every `seconds` until `stop` is set."""
    changed = True  # the models were loaded just now
    while not stop.wait(seconds):
        if changed:  # one round later, when the version before has answered its last request
            _free_memory()
        changed = sum(host.refresh() for host in hosts.values()) > 0


def _free_memory() -> None:
    # Loaded models are full of cycles, and have too many objects for the collector to visit while requests wait.
    gc.unfreeze()
    gc.collect()
    gc.freeze()
