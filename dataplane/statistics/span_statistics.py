"""Statistics of the spans of the interactions, kept as parts, so that a window reads only the spans that are new.

The statistics of a table do not depend on the order in which they are merged. Those of a window are therefore the same
whether its spans are read at once or one after the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dataplane.files.digests import file_digest
from dataplane.parts import Part, Parts
from dataplane.statistics.statistics_file import read_statistics, write_statistics
from dataplane.statistics.table_statistics import TableStatistics
from models.spec.durable import replacing

_STATE = "statistics.arrow"


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

    def is_of_span(self, shard: Path) -> bool:
        """Whether a shard belongs to a span; those of other tables do not."""
        return shard in self.keys

    def unread(self) -> list[Path]:
        """Shards of the spans whose statistics are not known."""
        return [shard for shard, key in self.keys.items() if key not in self.found]

    def merged(self, new: Path) -> TableStatistics:
        """Statistics of all spans. Keeps those that `write_state` wrote.

        Args:
            new: directory of the new statistics.
        """
        total = TableStatistics()
        for key in dict.fromkeys(self.keys.values()):
            if key in self.found:
                total.merge(read_statistics(self.found[key].path / _STATE))
                continue
            span = TableStatistics()
            for shard in (shard for shard, its_key in self.keys.items() if its_key == key):
                span.merge(read_statistics(_state_file(new, shard)))
            with self.parts.adding(key, {}) as directory:
                write_statistics(directory / _STATE, span)
            total.merge(span)
        return total


def write_state(directory: Path, shard: Path, statistics: TableStatistics) -> None:
    """Writes the statistics of a shard, for `SpanStatistics.merged`."""
    with replacing(_state_file(directory, shard)) as temporary:
        write_statistics(temporary, statistics)


def _state_file(directory: Path, shard: Path) -> Path:
    return directory / f"{shard.stem}.arrow"
