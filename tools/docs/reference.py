"""The configuration reference: a table for each section and each choice, from the models' own docstrings."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from pipeline.config.json_schema import NAMED, full_schema, names_of

Node = Mapping[str, Any]

_HEAD = """<!-- Generated from the configuration models: `make docs.generate` -->
# Configuration reference

A configuration is one YAML file. This page lists every key with its type, its default and its meaning. Keys without a
default are marked **required**. `NAME` stands for a name of your choice.

- `extends: other.yaml`, or a list of files, starts from the values of other files. Mappings are merged key by key;
  everything else is replaced.
- `--set KEY=VALUE` on the command line replaces one key: `--set training.batch_size=256`.
- `python -m pipeline validate CONFIG` refuses unknown keys, wrong values, impossible combinations and columns that the
  files do not have, in under a second, and says what is allowed.
- A choice that is written as a mapping with `type`, and has no further keys to set, may be written as its name:
  `loss: bpr` is `loss: {type: bpr}`.

## Completion in an editor

Editors with a YAML language server (VS Code with the YAML extension, Neovim, JetBrains IDEs, …) complete keys, show the
descriptions below and mark wrong values:

```sh
python -m pipeline schema > pipeline.schema.json
```

Then let this be the first line of your configuration:

```yaml
# yaml-language-server: $schema=pipeline.schema.json
```

The files in `tfx_config/` name `tfx_config/schema.json`, which is the same. The schema does not know which keys are
required, because a file may extend another; `validate` does.
"""


@dataclass
class _Model:
    """A model, and the keys below which it occurs.

    Attributes:
        tag: how a mapping says that it is this choice, such as `type: bpr`; empty if there is no choice.
    """

    name: str
    tag: str
    paths: list[str] = field(default_factory=list)

    def is_below(self, key: str) -> bool:
        """Whether the model needs a heading of its own below that of the section `key`."""
        return bool(self.tag) or self.paths != [key]

    def heading(self) -> str:
        """The heading: where the model occurs, or which choice it is where it occurs often."""
        places = ", ".join(f"`{path}`" for path in self.paths)
        if not self.tag:
            return places
        return f"`{self.tag}`" if len(self.paths) > 2 else f"{places} with `{self.tag}`"


def reference_page() -> str:
    """The page as Markdown."""
    schema = full_schema()
    definitions = schema["$defs"]
    for name, definition in definitions.items():
        definition["anchor"] = name.lower()
    for key, node in schema["properties"].items():
        for _, name, tag in _references(key, node):
            definitions[name]["anchor"] = name.lower() if tag else key
    lines = [_HEAD, "## Top level", "", *_table(schema, definitions)]
    documented: set[str] = set()
    for key, node in schema["properties"].items():
        models = _models_below(key, node, definitions, documented)
        if models:
            lines += ["", f"## `{key}` {{#{key}}}", "", _sentence(node["description"])]
        for model in models.values():
            lines += _section(key, model, definitions)
    return "\n".join(lines) + "\n"


def _section(key: str, model: _Model, definitions: Node) -> Iterator[str]:
    definition = definitions[model.name]
    if model.is_below(key):
        yield from ("", f"### {model.heading()} {{#{definition['anchor']}}}")
        yield from ("", _paragraphs(definition["description"]))
    if len(model.paths) > 2:
        yield from ("", "Found at " + ", ".join(f"`{path}`" for path in model.paths) + ".")
    yield from ("", *_table(definition, definitions))


def _models_below(key: str, node: Node, definitions: Node, documented: set[str]) -> dict[str, _Model]:
    """Models in the order of their keys, each with all paths below `key`; those documented before are left out."""
    found: dict[str, _Model] = {}
    waiting = [(key, node)]
    while waiting:
        path, node = waiting.pop(0)
        for below, name, tag in _references(path, node):
            if name in documented:
                continue
            model = found.setdefault(name, _Model(name, tag))
            if not model.paths:
                waiting += [(f"{below}.{key}", node) for key, node in definitions[name]["properties"].items()]
            if below not in model.paths:
                model.paths.append(below)
    documented |= set(found)
    return found


def _references(path: str, node: Node) -> Iterator[tuple[str, str, str]]:
    """Path, name and tag of each model that a value may be."""
    tags = node.get("discriminator", {}).get("mapping", {})
    by_target: dict[str, list[str]] = {}
    for tag, target in tags.items():
        by_target.setdefault(target, []).append(tag)
    if "$ref" in node:
        yield path, _target(node), ""
    for choice in node.get("oneOf", node.get("anyOf", [])):
        names = by_target.get(choice.get("$ref", ""), [])
        tag = f"{node['discriminator']['propertyName']}: {' | '.join(names)}" if names else ""
        for below, name, inner in _references(path, choice):
            yield below, name, tag or inner
    for values in _values(node):
        yield from _references(f"{path}.NAME", values)
    if isinstance(node.get("items"), Mapping):
        yield from _references(f"{path}[]", node["items"])


def _values(node: Node) -> list[Node]:
    """What the values of a mapping with free names may be."""
    if isinstance(node.get("additionalProperties"), Mapping):
        return [node["additionalProperties"]]
    return list(node.get("patternProperties", {}).values())


def _table(definition: Node, definitions: Node) -> Iterator[str]:
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    needed = definition.get("required", [])
    rows = sorted(definition["properties"].items(), key=lambda row: ("description" in row[1], row[0] not in needed))
    for key, node in rows:
        meaning = _paragraphs(node.get("description", "Chooses these settings.")).replace("\n\n", "<br>")
        default = "**required**" if key in needed else _default(node, definitions)
        cells = (f"`{key}`", _type(node, definitions), default, meaning)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(node: Node, definitions: Node) -> str:
    value = node.get("default")
    if "$ref" in node and isinstance(value, Mapping):
        usual = definitions[_target(node)]["properties"]
        value = {key: item for key, item in value.items() if item != usual[key].get("default", _nothing(usual[key]))}
        if not value:
            return "as below"
    if node.get(NAMED) and isinstance(value, Mapping) and set(value) == {"type"}:
        value = value["type"]
    if value is None and not _nullable(node):
        value = _nothing(node)
    return f"`{_yaml(value)}`"


def _nothing(node: Node) -> Any:
    """What pydantic takes where the schema shows no default, because a factory makes it."""
    return {"object": {}, "array": []}.get(node.get("type", ""))


def _nullable(node: Node) -> bool:
    return any(choice.get("type") == "null" for choice in node.get("anyOf", []))


def _yaml(value: Any) -> str:
    if isinstance(value, float) and (abs(value) >= 1e6 or 0 < abs(value) < 1e-3):
        return f"{value:g}".replace("e+", "e")
    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000).removesuffix("...\n").strip()


def _type(node: Node, definitions: Node) -> str:
    """What a value may be, in words."""
    if "$ref" in node:
        return f"[mapping](#{definitions[_target(node)]['anchor']})"
    if "const" in node or "enum" in node:
        return ", ".join(f"`{_yaml(value)}`" for value in node.get("enum", [node.get("const")]))
    if "discriminator" in node:
        return _choices(node, definitions)
    if "anyOf" in node or "oneOf" in node:
        parts = dict.fromkeys(_type(choice, definitions) for choice in node.get("anyOf", node.get("oneOf", [])))
        return " or ".join(parts)
    return _plain(node, definitions)


def _choices(node: Node, definitions: Node) -> str:
    named = names_of(dict(node), dict(definitions)) if node.get(NAMED) else []
    key = node["discriminator"]["propertyName"]
    links = (
        f"[`{tag if tag in named else f'{key}: {tag}'}`](#{definitions[target.rpartition('/')[2]]['anchor']})"
        for tag, target in node["discriminator"]["mapping"].items()
    )
    return ", ".join(links)


def _plain(node: Node, definitions: Node) -> str:
    match node.get("type"):
        case "array":
            inner = _type(node["items"], definitions) if node.get("items") else ""
            return f"list of {inner}{'s' if inner == 'text' else ''}" if inner else "list"
        case "object":
            return "mapping of names to " + " or ".join(_type(values, definitions) for values in _values(node))
        case "string":
            return {"path": "path", "date-time": "date or time", "date": "date"}.get(node.get("format", ""), "text")
        case "boolean":
            return "`true`, `false`"
        case "null":
            return "`null`"
        case "integer" | "number":
            return ("whole number" if node["type"] == "integer" else "number") + _bounds(node)
        case _:
            return "any value"


def _bounds(node: Node) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {node[key]:,}" for key, sign in signs.items() if key in node]
    return f" {', '.join(found)}" if found else ""


def _target(node: Node) -> str:
    target: str = node["$ref"].rpartition("/")[2]
    return target


def _paragraphs(text: str) -> str:
    """Text with each paragraph on one line."""
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", text))


def _sentence(text: str) -> str:
    return _paragraphs(text).partition("\n\n")[0]
