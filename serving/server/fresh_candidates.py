"""The changes of candidates since a version was published, in force in a loaded model.

Added and updated candidates are in a side table: their embeddings, made by the model's own candidate tower, and their
ids. Answers of the model and of the side table are merged by score. Candidates that were removed or updated are taken
out of the model's answers.
"""

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from dataplane.errors import PipelineError
from models.spec.selection import FilterKind
from serving.changes.change_log import Change, ChangeLog, Inputs, Logged, logged_identity
from serving.server.fresh_attributes import Attributes, FreshAttributes

_LOG = logging.getLogger(__name__)
_LOWEST = np.finfo(np.float32).min

Embed = Callable[[Sequence[Inputs]], np.ndarray]
_State: TypeAlias = dict[int, tuple[int, int]]
"""Inode and size of the log of each version."""


@dataclass(frozen=True)
class SideTable:
    """The changes at one moment.

    Attributes:
        rows: row of each added or updated candidate in `vectors`, by id.
        vectors: their embeddings, float32 `[candidates, dim]`.
        hidden: ids of all changed candidates, which the model's own answers must not have.
        attributes: what filters read of the added or updated candidates.
    """

    rows: Mapping[bytes, int]
    vectors: np.ndarray
    hidden: frozenset[bytes]
    attributes: FreshAttributes
    ids: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", np.array([*self.rows, b""], object))

    def scores(self, queries: np.ndarray, left_out: Sequence[set[bytes]], allowed: Sequence[set[bytes]]) -> np.ndarray:
        """Scores of the side table for each query, float32 `[queries, candidates]`; float32.min if left out.

        Args:
            queries: float32 `[queries, dim]`.
            left_out: ids that the answer to each query must not have.
            allowed: the only ids that the answer may have; empty without a restriction.
        """
        scores = queries @ self.vectors.T if len(self.vectors) else self.no_scores(len(queries))
        for row, (out, only) in enumerate(zip(left_out, allowed, strict=True)):
            places = [self.rows[name] for name in out if name in self.rows]
            if only:
                kept = [self.rows[name] for name in only - out if name in self.rows]
                scores[row, np.setdiff1d(np.arange(scores.shape[1]), kept)] = _LOWEST
            scores[row, places] = _LOWEST
        return scores

    def no_scores(self, queries: int) -> np.ndarray:
        """Scores of which none counts, float32 `[queries, candidates]`."""
        return np.full((queries, len(self.rows)), _LOWEST, np.float32)

    def merged(
        self, ids: np.ndarray, scores: np.ndarray, own: np.ndarray, keeps_order: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The best of the model's answers that are still valid and of the side table.

        Args:
            ids: the model's answers, UTF-8 `[queries, k]`.
            scores: their scores, best first unless `keeps_order`.
            own: scores of the side table, float32 `[queries, candidates]`.
            keeps_order: whether the model's answers stay in their order, bool `[queries]`; `own` has none for them.

        Returns:
            As `ids` and `scores`, padded with "" and float32.min at the end.
        """
        k = ids.shape[1]
        scores = np.where(self.is_hidden(ids), np.float32(_LOWEST), scores)
        if own.shape[1] > k:
            best = np.argpartition(-own, k - 1, axis=1)[:, :k]
            own, own_ids = np.take_along_axis(own, best, axis=1), self.ids[best]
        else:
            own_ids = np.broadcast_to(self.ids[:-1], own.shape)
        every, names = np.concatenate([scores, own], axis=1), np.concatenate([ids, own_ids], axis=1)
        keys = np.where(keeps_order[:, None] & (every > _LOWEST), np.float32(0), -every)
        order = np.argsort(keys, axis=1, kind="stable")[:, :k]
        found = np.take_along_axis(every, order, axis=1)
        return np.where(found > _LOWEST, np.take_along_axis(names, order, axis=1), b""), found

    def is_hidden(self, ids: np.ndarray) -> np.ndarray:
        """Which of the model's answers were changed, bool of the shape of `ids`."""
        flat = [name in self.hidden for name in ids.reshape(-1).tolist()]
        return np.array(flat, bool).reshape(ids.shape)


class FreshCandidates:
    """Follows the logs of changes and keeps the side table up to date, in any thread.

    A version beside the newest, which a label names, is answered with the changes of newer versions as well.
    """

    def __init__(self, log: ChangeLog, embed: Embed, kinds: Mapping[str, FilterKind]) -> None:
        """Reads nothing yet.

        Args:
            log: the log of the loaded version.
            embed: embeds candidates, float32 `[candidates, dim]`; NaN for one that the model cannot embed.
            kinds: kind of each filter of the model.
        """
        self._own, self._embed, self._kinds = log, embed, kinds
        self._lock = threading.Lock()
        self._state: _State = {}
        self._forget()

    def _forget(self) -> None:
        self._ends = dict[int, int]()  # end of the last good line of each version's log
        self._changed_by = dict[bytes, int]()  # the newest version in whose log a candidate was changed
        self._vectors, self._attributes = dict[bytes, np.ndarray](), dict[bytes, Attributes]()
        self._table: SideTable | None = None

    def table(self) -> SideTable | None:
        """The changes in force now; None without any. A log that cannot be read is reported, and changes nothing."""
        if self._now() != self._state:
            with self._lock:
                if (state := self._now()) != self._state:
                    self._read(state)
        return self._table

    def _now(self) -> _State:
        state: _State = {}
        try:
            with os.scandir(self._own.file.parent) as files:
                for file in files:
                    stem, _, suffix = file.name.partition(".")
                    if suffix == "log" and stem.isdecimal() and int(stem) >= self._own.version:
                        stat = file.stat()
                        state[int(stem)] = (stat.st_ino, stat.st_size)
        except FileNotFoundError:  # nothing has changed, or a file was moved away just now
            return state
        except OSError:  # what was read stays in force
            return self._state
        return state

    def _read(self, state: _State) -> None:
        if any(
            version not in state or state[version][0] != inode or state[version][1] < self._ends.get(version, 0)
            for version, (inode, _) in self._state.items()
        ):
            self._forget()
        for version in sorted(state):
            try:
                found = self._logged(version)
                self._apply(version, {change.candidate: change for change in found.changes})
                self._ends[version] = found.end
            except (PipelineError, OSError) as error:
                _LOG.error("changes of candidates are not in force: %s", error)
        self._state = state
        rows = {name: row for row, name in enumerate(self._vectors)}
        attributes = FreshAttributes(self._kinds, list(self._attributes.values()))
        vectors = np.array([*self._vectors.values()], np.float32)
        hidden = frozenset(self._changed_by)
        self._table = SideTable(rows, vectors, hidden, attributes) if hidden else None

    def _logged(self, version: int) -> Logged:
        log, start = self._own, self._ends.get(version, 0)
        if version != log.version:
            identity = logged_identity(log.file.parent, version)
            if identity is None:  # the first line is being written
                return Logged([], 0, None)
            log = ChangeLog(log.file.parent, version, identity)
        return log.read(start)

    def _apply(self, version: int, changes: Mapping[str, Change]) -> None:
        latest = {
            name.encode(): change
            for name, change in changes.items()
            if self._changed_by.get(name.encode(), version) <= version
        }
        given = {name: change.inputs for name, change in latest.items() if change.inputs is not None}
        vectors = self._embed(list(given.values())) if given else ()
        for name in latest:
            self._changed_by[name] = version
            self._vectors.pop(name, None)
            self._attributes.pop(name, None)
        for name, vector in zip(given, vectors, strict=True):
            if np.isfinite(vector).all():
                self._vectors[name], self._attributes[name] = vector, latest[name].attributes
            else:
                _LOG.error("candidate %r has no usable embedding in this version; it is not answered", name.decode())
