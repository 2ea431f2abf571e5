"""Holds a published model in this process and replaces it by the next version once that is warm."""

import gc
import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
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
    version serves. Versions with labels are held beside the newest. A label moves once its new version is loaded.

    Attributes:
        current: the newest version that can be loaded.
        served: every loaded version by its number, the newest included.
        labelled: the loaded version of each label.
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
        self.served: Mapping[int, LoadedModel] = {}
        self.labelled: Mapping[str, LoadedModel] = {}
        self._wanted: Collection[int] = ()
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
        self._hold(self._labels(published))
        _LOG.info("%s: version %d, loaded in %.1f s", name, first.version, time.monotonic() - began)

    @property
    def states(self) -> list[VersionState]:
        """States of the versions that answer, and of those with labels or newer ones that do not, newest first."""
        served, current = self.served, self.current.version
        found = {
            version: VersionState(version, "END", failure.error)
            for version, failure in dict(self._failures).items()
            if version > current or version in self._wanted
        }
        found |= {version: VersionState(version, "AVAILABLE") for version in (*served, current)}
        if (loading := self._loading) is not None:
            found[loading] = VersionState(loading, "LOADING")
        return [found[version] for version in sorted(found, reverse=True)]

    def refresh(self) -> bool:
        """Loads the newest version that can be loaded and those with labels; returns whether other versions answer.

        Never raises: the server goes on, whatever is published.
        """
        try:
            published = sorted(self._versions.numbers(self._name), reverse=True)
            labels = self._labels(published)
        except Exception as error:  # the directory may be on another machine
            _LOG.error("%s: cannot look for versions: %s", self._name, error)
            return False
        self._failures = {version: failure for version, failure in self._failures.items() if version in published}
        newer = published
        if self.current.version in published:
            newer = published[: published.index(self.current.version)]
        found = self._first_that_loads(newer)
        if found is not None:
            self.current = found
            _LOG.info("%s: version %d", self._name, found.version)
        return self._hold(labels)

    def _labels(self, published: Collection[int]) -> dict[str, int]:
        """The labels of versions that are there."""
        labels = self._versions.labels()
        return {label: version for label, version in labels.items() if version in published}

    def _hold(self, labels: Mapping[str, int]) -> bool:
        """Loads the versions with labels, and lets go of others; returns whether other versions answer than before."""
        before, models = self.served, {self.current.version: self.current}
        labelled: dict[str, LoadedModel] = {}
        for label, version in labels.items():
            # Until its version is loaded, a label stays where it was.
            model = models.get(version) or self._first_that_loads([version]) or self.labelled.get(label)
            if model is not None:
                models[model.version] = labelled[label] = model
        if labelled != self.labelled:
            _LOG.info(
                "%s: labels: %s", self._name, ", ".join(f"{it} {labelled[it].version}" for it in labelled) or "none"
            )
        self.served, self.labelled, self._wanted = models, labelled, {*labels.values()}
        return before.keys() != models.keys()

    def _first_that_loads(self, versions: list[int]) -> LoadedModel | None:
        """Loads the first version that can be loaded; skips versions that failed less than a minute ago."""
        for version in versions:
            if version in self.served:
                return self.served[version]
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
            changes = self._versions.changes
            loaded = LoadedModel(path, self._batching, on_batch=self._on_batch, changes=changes)
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


def watch(
    hosts: Mapping[str, ModelHost],
    *,
    seconds: float,
    stop: threading.Event,
    on_look: Callable[[], None] = lambda: None,
) -> None:
    """Refreshes the hosts every `seconds` until `stop` is set, and then calls `on_look`."""
    changed = True  # the models were loaded just now
    while not stop.wait(seconds):
        if changed:  # one round later, when the version before has answered its last request
            _free_memory()
        changed = sum(host.refresh() for host in hosts.values()) > 0
        on_look()


def _free_memory() -> None:
    # Loaded models are full of cycles, and have too many objects for the collector to visit while requests wait.
    gc.unfreeze()
    gc.collect()
    gc.freeze()
