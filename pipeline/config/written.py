"""Configuration values that know where they were written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Written:
    """A value of a configuration.

    Attributes:
        origin: where it was written, as `file:line` or `--set`.
        kind: kind of value.
        scalar: the value of a scalar.
        parts: values of a mapping or list, by key or index.
        size: number of values in it, including itself.
        depth: number of nested levels, including its own.
    """

    origin: str
    kind: Literal["scalar", "mapping", "list"] = "scalar"
    scalar: Any = None
    parts: Mapping[str, "Written"] = field(default_factory=dict)
    size: int = 1
    depth: int = 1

    @staticmethod
    def of(origin: str, kind: Literal["mapping", "list"], parts: Mapping[str, "Written"]) -> "Written":
        """Builds a mapping or list."""
        size = 1 + sum(part.size for part in parts.values())
        return Written(origin, kind, None, parts, size, 1 + max((part.depth for part in parts.values()), default=0))

    def plain(self) -> Any:
        """The value as dictionaries, lists and scalars; no two of them are the same object."""
        if self.kind == "mapping":
            return {key: part.plain() for key, part in self.parts.items()}
        return [part.plain() for part in self.parts.values()] if self.kind == "list" else self.scalar

    def merged_onto(self, base: "Written") -> "Written":
        """Merges this value onto another: mappings are merged key by key, everything else is replaced."""
        if self.kind != "mapping" or base.kind != "mapping":
            return self
        parts = dict(base.parts)
        for key, part in self.parts.items():
            parts[key] = part.merged_onto(parts[key]) if key in parts else part
        return Written.of(self.origin, "mapping", parts)

    def origin_of(self, key: str) -> str:
        """Origin of the value with a dotted key, or of the closest value that contains it; "" if there is none."""
        for name, part in _prefixes(key, self.parts):
            rest = key[len(name) + 1 :]
            return (part.origin_of(rest) if rest else "") or part.origin
        return ""


def _prefixes(key: str, parts: Mapping[str, Written]) -> Iterator[tuple[str, Written]]:
    """The parts whose names begin the dotted key, longest name first, because names may contain dots."""
    end = len(key)
    while end > 0:
        if key[:end] in parts:
            yield key[:end], parts[key[:end]]
        end = key.rfind(".", 0, end)
