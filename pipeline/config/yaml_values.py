"""YAML as plain values with the lines they come from, within limits on size, depth and number.

The events of the parser are read one at a time. Values that nest too deeply, grow by aliases or contain themselves are
refused before they are built.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from dataplane.errors import ConfigError
from dataplane.errors.messages import shown
from pipeline.config.written import Written

MAX_BYTES = 8 << 20
MAX_VALUES = 30_000
MAX_DEPTH = 32
_LONGEST_NUMBER = 100
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_TEXT = ("str", "value")
_TYPES = {"int": "a number", "float": "a number", "bool": "true or false", "null": "null", "timestamp": "a date"}
_USELESS = re.compile("[\0\ud800-\udfff]")


@dataclass
class Budget:
    """Number of values that a configuration may still have, counted over all its files and settings."""

    values: int = MAX_VALUES

    def take(self, values: int) -> bool:
        """Counts values; returns whether that many were left."""
        self.values -= values
        return self.values >= 0


def parse_yaml(text: str, name: str, budget: Budget, *, origin: str = "") -> Written | None:
    """Reads one YAML document; None if it is empty.

    Args:
        text: the document.
        name: name of the document in messages.
        budget: number of values that it may have.
        origin: origin of all its values, if the document is not a file.

    Raises:
        ConfigError: the document is not YAML, or exceeds the limits; the message names line and key.
    """
    if found := _USELESS.search(text):
        place = name if origin else f"{name}:{text.count(chr(10), 0, found.start()) + 1}"
        raise ConfigError(f"{place}: not valid YAML: {_character(found[0])} is not text")
    try:
        return _Reader(text, name, budget, origin).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark is not None and not origin else ""
        why = shown(f"{error.context or ''} {error.problem or ''}".strip())
        raise ConfigError(f"{name}{line}: not valid YAML: {why}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not valid YAML: {shown(str(error).partition(chr(10))[0])}") from None


class _Reader:
    """Builds values from the events of the parser."""

    def __init__(self, text: str, name: str, budget: Budget, origin: str) -> None:
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=_LOADER)
        self._name = name
        self._budget = budget
        self._given_origin = origin
        self._anchors: dict[str, Written | None] = {}  # None while the value is being built

    def document(self) -> Written | None:
        """Reads the only document of the stream."""
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        value = self._value(next(self._events), ())
        next(self._events)
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise self._refused(after, (), "not valid YAML: there is a second document after '---'")
        return value

    def _value(self, event: Any, path: tuple[str, ...]) -> Written:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        self._check_limits(event, path, size=1, depth=1)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            value = Written(self._origin(event), scalar=self._scalar(event, path))
        else:
            self._check_tag(event, path, "map" if isinstance(event, yaml.MappingStartEvent) else "seq")
            value = self._mapping(event, path) if isinstance(event, yaml.MappingStartEvent) else self._list(event, path)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _alias(self, event: Any, path: tuple[str, ...]) -> Written:
        if event.anchor not in self._anchors:
            raise self._refused(
                event, path, f"not valid YAML: there is no anchor for the alias '*{shown(event.anchor)}'"
            )
        value = self._anchors[event.anchor]
        if value is None:
            raise self._refused(event, path, f"the alias '*{shown(event.anchor)}' is inside the value that it repeats")
        self._check_limits(event, path, size=value.size, depth=value.depth)
        return value

    def _list(self, start: yaml.Event, path: tuple[str, ...]) -> Written:
        parts: dict[str, Written] = {}
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            index = str(len(parts))
            parts[index] = self._value(event, (*path, index))
        return Written.of(self._origin(start), "list", parts)

    def _mapping(self, start: yaml.Event, path: tuple[str, ...]) -> Written:
        parts: dict[str, Written] = {}
        merged: dict[str, Written] | None = None
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, path)
            if key is None:
                if merged is not None:
                    raise self._refused(event, path, "'<<' occurs twice")
                merged = self._merged(next(self._events), path)
                continue
            if key in parts:
                raise ConfigError(f"{self._origin(event)}: '{_dotted((*path, key))}' occurs twice")
            parts[key] = replace(self._value(next(self._events), (*path, key)), origin=self._origin(event))
        return Written.of(self._origin(start), "mapping", {**(merged or {}), **parts})

    def _key(self, event: yaml.Event, path: tuple[str, ...]) -> str | None:
        """A key as text; None for `<<`."""
        if isinstance(event, yaml.ScalarEvent) and event.tag is None and _tag(event) == _MERGE:
            return None
        if not isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            raise self._refused(event, path, "a key must be text, not a mapping or a list")
        value = self._value(event, path)
        if value.scalar is True and isinstance(event, yaml.ScalarEvent) and event.value == "on":
            return "on"  # true to YAML 1.1, and a key of `notify`
        if not isinstance(value.scalar, str):
            written = shown(event.value) if isinstance(event, yaml.ScalarEvent) else "this one"
            raise self._refused(event, path, f"a key must be text, but {written} is not; write it in quotes")
        return value.scalar

    def _merged(self, event: yaml.Event, path: tuple[str, ...]) -> dict[str, Written]:
        """The entries that `<<` adds to a mapping; if several mappings have a key, the first one counts."""
        value = self._value(event, (*path, "<<"))
        sources = list(value.parts.values()) if value.kind == "list" else [value]
        if any(source.kind != "mapping" for source in sources):
            raise self._refused(event, path, "'<<' needs a mapping, or a list of mappings")
        return {key: part for source in reversed(sources) for key, part in source.parts.items()}

    def _scalar(self, event: yaml.ScalarEvent, path: tuple[str, ...]) -> Any:
        if found := _USELESS.search(event.value):
            raise self._refused(event, path, f"{_character(found[0])} is not allowed in a configuration")
        kind = self._check_tag(event, path, *_TYPES, *_TEXT)
        if kind in _TEXT:
            return event.value
        message = f"{shown(repr(event.value))} is not {_TYPES[kind]}; write it in quotes if it is text"
        if len(event.value) > _LONGEST_NUMBER:
            raise self._refused(event, path, f"{message} ({len(event.value):,} characters)")
        try:
            node = yaml.ScalarNode(_TAG + kind, event.value)
            value = SafeConstructor.yaml_constructors[_TAG + kind](_CONSTRUCTOR, node)
        except (ValueError, LookupError, AttributeError, ArithmeticError):
            raise self._refused(event, path, message) from None
        if isinstance(value, int) and value.bit_length() > 63:
            raise self._refused(event, path, f"the number {shown(event.value)} is too large")
        return value

    def _check_tag(self, event: Any, path: tuple[str, ...], *allowed: str) -> str:
        """The type of a value by its tag or form, without the usual prefix."""
        if event.tag in (None, "!") and not isinstance(event, yaml.ScalarEvent):
            return allowed[0]
        tag = _tag(event)
        name = tag.removeprefix(_TAG)
        if not tag.startswith(_TAG) or name not in allowed:
            raise self._refused(event, path, f"not valid YAML: the tag '{shown(str(event.tag or tag))}' is not allowed")
        return name

    def _check_limits(self, event: yaml.Event, path: tuple[str, ...], *, size: int, depth: int) -> None:
        if len(path) + depth > MAX_DEPTH:
            raise self._refused(event, path, f"nested more than {MAX_DEPTH} levels deep")
        if not self._budget.take(size):
            message = f"the configuration has more than {MAX_VALUES:,} values; an alias counts each time it is used"
            raise self._refused(event, path, message)

    def _refused(self, event: yaml.Event, path: tuple[str, ...], why: str) -> ConfigError:
        place = self._name if self._given_origin else self._origin(event)
        return ConfigError(f"{place}: {_dotted(path)}: {why}" if path else f"{place}: {why}")

    def _origin(self, event: Any) -> str:
        return self._given_origin or f"{self._name}:{event.start_mark.line + 1}"


_CONSTRUCTOR = SafeConstructor()
_RESOLVER = Resolver()


def _tag(event: yaml.ScalarEvent) -> str:
    if event.tag is not None and event.tag != "!":
        return str(event.tag)
    plain = event.implicit[0] and event.tag is None
    beginning = event.value
    if len(beginning) > _LONGEST_NUMBER:  # a text that begins like a number, such as 1:59:59:…, is refused as a number
        beginning = beginning[: _LONGEST_NUMBER + 1].rstrip(":")
    return str(_RESOLVER.resolve(yaml.ScalarNode, beginning, (plain, not plain)))  # type: ignore[no-untyped-call]


def _character(character: str) -> str:
    return f"the character U+{ord(character):04X}"


def _dotted(path: tuple[str, ...]) -> str:
    return shown(".".join(path))
