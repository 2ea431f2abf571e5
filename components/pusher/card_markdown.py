"""Shows a model card as Markdown, with the headings of the Model Card Toolkit."""

import re
from collections.abc import Iterable, Iterator

from dataplane.artifacts.model_card import Dataset, Described, License, ModelCard, Owner, PerformanceMetric, Risk

_ACTIVE = re.compile(r"([\\`*_\[\]<>|#&!~])")


def markdown(card: ModelCard) -> str:
    """The card as Markdown; texts of the owner and of the data are escaped."""
    details, parameters, about = card.model_details, card.model_parameters, card.considerations
    lines = [
        f"# Model card: {_plain(details.name)}",
        "",
        _plain(details.overview),
        *_section("Model details", _details(card)),
        *_section("Architecture", _items(parameters.model_architecture.split("; "))),
        *_section("Data", map(_dataset, parameters.data)),
        *_section("Inputs", _items(parameters.input_format.split("; "))),
        *_section("Outputs", _items(parameters.output_format.split("; "))),
        *_section("Metrics", _metrics(card.quantitative_analysis.performance_metrics)),
        *_section("Slices", _slices(card.quantitative_analysis.performance_metrics)),
        *_section("Intended users", _texts(about.users)),
        *_section("Use cases", _texts(about.use_cases)),
        *_section("Limitations", _texts(about.limitations)),
        *_section("Trade-offs", _texts(about.tradeoffs)),
        *_section("Ethical considerations", map(_risk, about.ethical_considerations)),
        *_section("Gates, and how the model was measured", _items((details.documentation or "").splitlines())),
    ]
    return "\n".join(lines) + "\n"


def _section(title: str, lines: Iterable[str]) -> list[str]:
    """A heading with its lines; nothing without lines."""
    found = list(lines)
    return ["", f"## {title}", "", *found] if found else []


def _details(card: ModelCard) -> Iterator[str]:
    details = card.model_details
    yield f"- Content: `{details.version.name}`"
    if details.version.diff:
        yield f"- Changes: {_plain(details.version.diff)}"
    yield from map(_owner, details.owners)
    yield from map(_license, details.licenses)
    yield from (f"- Reference: <{link.reference}>" for link in details.references)


def _owner(owner: Owner) -> str:
    return f"- Owner: {_plain(owner.name)}" + (f", {_plain(owner.contact)}" if owner.contact else "")


def _license(license_: License) -> str:
    return f"- License: {_plain(license_.identifier or license_.custom_text or '')}"


def _dataset(dataset: Dataset) -> str:
    sensitive = dataset.sensitive.sensitive_data if dataset.sensitive else ()
    parts = [
        *([_plain(dataset.description)] if dataset.description else []),
        *([f"<{dataset.link}>"] if dataset.link else []),
        *([f"sensitive: {', '.join(map(_plain, sensitive))}"] if sensitive else []),
    ]
    return f"- {_plain(dataset.name)}" + (f": {'; '.join(parts)}" if parts else "")


def _metrics(metrics: Iterable[PerformanceMetric]) -> list[str]:
    """Metrics that have an interval, with the same metrics of others; `model_card.json` has all."""
    whole = [metric for metric in metrics if metric.slice is None]
    measured = {metric.type for metric in whole if metric.confidence_interval is not None}
    rows = [metric for metric in whole if metric.type.split(" ")[0] in measured or " of the index " in metric.type]
    return _table(["Metric", "Value", "Interval"], ([row.type, _number(row.value), _interval(row)] for row in rows))


def _slices(metrics: Iterable[PerformanceMetric]) -> list[str]:
    """One row for each slice."""
    slices: dict[str, dict[str, str]] = {}
    for metric in metrics:
        if metric.slice is not None:
            slices.setdefault(metric.slice, {})[metric.type] = _number(metric.value)
    columns = list(dict.fromkeys(name for values in slices.values() for name in values))
    return _table(["Slice", *columns], ([name, *map(row.get, columns)] for name, row in slices.items()))


def _table(header: list[str], rows: Iterable[list[str | None]]) -> list[str]:
    body = [f"| {' | '.join(_plain(cell or '') for cell in row)} |" for row in rows]
    heading = f"| {' | '.join(map(_plain, header))} |"
    return [heading, f"|{'---|' * len(header)}", *body] if body else []


def _interval(metric: PerformanceMetric) -> str:
    interval = metric.confidence_interval
    return f"{interval.lower_bound:.4f} to {interval.upper_bound:.4f}" if interval else ""


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _risk(risk: Risk) -> str:
    return f"- {_plain(risk.name)}" + (f": {_plain(risk.mitigation_strategy)}" if risk.mitigation_strategy else "")


def _texts(texts: Iterable[Described]) -> Iterator[str]:
    return _items(text.description for text in texts)


def _items(texts: Iterable[str]) -> Iterator[str]:
    return (f"- {_plain(text)}" for text in texts)


def _plain(text: str) -> str:
    """Text on one line that Markdown and HTML leave as it is."""
    return _ACTIVE.sub(r"\\\1", " ".join(text.split()))
