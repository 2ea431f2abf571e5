"""Values of a configuration that know where they were written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Written:
    """A value of a file.

    Attributes:
        origin: where it was written, as `file:line`.
        kind: what it is.
        scalar: the value, unless it has parts.
        parts: what a mapping or list holds, by key or index.
        size: values in it, itself included.
        depth: levels of values in it, itself included.
    """

    origin: str
    kind: Literal["scalar", "mapping", "list"] = "scalar"
    scalar: Any = None
    parts: Mapping[str, "Written"] = field(default_factory=dict)
    size: int = 1
    depth: int = 1

    @staticmethod
    def of(origin: str, kind: Literal["mapping", "list"], parts: Mapping[str, "Written"]) -> "Written":
        """A mapping or list of parts."""
        size = 1 + sum(part.size for part in parts.values())
        return Written(origin, kind, None, parts, size, 1 + max((part.depth for part in parts.values()), default=0))

    def plain(self) -> Any:
        """The value as dictionaries, lists and scalars, of which no two are the same object."""
        if self.kind == "mapping":
            return {key: part.plain() for key, part in self.parts.items()}
        return [part.plain() for part in self.parts.values()] if self.kind == "list" else self.scalar

    def over(self, below: "Written") -> "Written":
        """This value laid over another one: mappings are merged key by key, everything else is replaced."""
        if self.kind != "mapping" or below.kind != "mapping":
            return self
        parts = dict(below.parts)
        for key, part in self.parts.items():
            parts[key] = part.over(parts[key]) if key in parts else part
        return Written.of(self.origin, "mapping", parts)

    def origin_of(self, key: str) -> str:
        """Where the value with a dotted key, or the closest one around it, was written; "" if that is all of it."""
        for name, part in _prefixes(key, self.parts):
            rest = key[len(name) + 1 :]
            return (part.origin_of(rest) if rest else "") or part.origin
        return ""


def _prefixes(key: str, parts: Mapping[str, Written]) -> Iterator[tuple[str, Written]]:
    """The parts that a dotted key may begin with, the longest name first, as names may have dots."""
    end = len(key)
    while end > 0:
        if key[:end] in parts:
            yield key[:end], parts[key[:end]]
        end = key.rfind(".", 0, end)
