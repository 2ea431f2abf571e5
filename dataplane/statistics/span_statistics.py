"""Statistics of the spans of the interactions, kept as parts, so that a window reads only the spans that are new.

The statistics of a table do not depend on the order in which they are merged. Those of a window are therefore the same
whether its spans are read at once or one after the other.
"""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dataplane.files.digests import file_digest
from dataplane.parts import Part, Parts
from dataplane.statistics.table_statistics import TableStatistics
from models.spec.durable import replacing

_STATE = "statistics.pickle"


@dataclass(frozen=True)
class SpanStatistics:
    """The statistics of spans, as far as they are known.

    Attributes:
        parts: keeps the statistics.
        keys: key of each span, by its shards.
        found: known statistics by key.
    """

    parts: Parts
    keys: dict[Path, str] = field(default_factory=dict)
    found: dict[str, Part] = field(default_factory=dict)

    @staticmethod
    def of(spans: Mapping[str, Sequence[Path]], parts: Parts) -> "SpanStatistics":
        """Looks for the statistics of spans.

        Args:
            spans: shards of each span, by its name.
            parts: keeps the statistics.
        """
        keys: dict[Path, str] = {}
        for name, shards in spans.items():
            key = parts.key(kind="statistics", span=name, shards=[file_digest(shard) for shard in shards])
            keys |= dict.fromkeys(shards, key)
        found = {key: part for key in dict.fromkeys(keys.values()) if (part := parts.find(key))}
        return SpanStatistics(parts, keys, found)

    def key_of(self, shard: Path) -> str | None:
        """Key of the span of a shard; None for a shard of another table."""
        return self.keys.get(shard)

    def has(self, shard: Path) -> bool:
        """Whether the statistics of a shard's span are known."""
        return self.keys.get(shard) in self.found

    def merged(self, new: Path) -> TableStatistics:
        """Statistics of all spans. Keeps those that `write_state` wrote.

        Args:
            new: directory of the new statistics.
        """
        total = TableStatistics()
        for key in dict.fromkeys(self.keys.values()):
            if key not in self.found:
                with self.parts.adding(key, {}) as directory:
                    (new / f"{key}.pickle").rename(directory / _STATE)
            total.merge(pickle.loads((self.parts.directory / key / _STATE).read_bytes()))  # noqa: S301 (own, checked)
        return total


def write_state(directory: Path, key: str, statistics: TableStatistics) -> None:
    """Writes the statistics of a span."""
    with replacing(directory / f"{key}.pickle") as temporary:
        temporary.write_bytes(pickle.dumps(statistics))
