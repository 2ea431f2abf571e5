"""Gates that a model must pass to be published, and their outcomes in words."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dataplane.artifacts.blessing import Check, ServedModel, Verdict
from dataplane.artifacts.evaluation import Bounds, Churn, HeldOut, Metrics, NotCompared, ServedMetrics, Skipped
from dataplane.dataset.held_out import notes, too_few
from dataplane.verdict import USELESS, columns

if TYPE_CHECKING:
    from components.evaluator.params import EvaluationConfig

CLEARLY_WORSE = 0.02
"""A model is clearly worse if the whole interval of the difference lies below this share of the served value."""
FEWEST_COMPARED = 10
"""Fewest queries for which an interval counts as evidence."""

_POPULARITY = "evaluation.min_lift_over_popularity"
_BASELINES = "evaluation.min_lift_over_baselines"
_PUBLISHED = "evaluation.min_lift_over_published"
_CHURN = "evaluation.max_churn"


def blessing(config: "EvaluationConfig", metrics: Metrics) -> Verdict:
    """Decides whether a model is blessed.

    Args:
        config: the gates.
        metrics: metrics of the model and of those it is compared with.
    """
    checks = [_useless(metrics.collapsed)] if metrics.collapsed else []
    checks += [
        *_unmeasured(config, metrics.not_measured["test"]),
        *_thresholds(config, metrics),
        *_popularity(config, metrics),
        *_baselines(config, metrics),
        *_published(config, metrics),
        *_churn(config, metrics),
    ]
    shown = dict.fromkeys((*config.main_metrics(), *config.named_metrics()))
    published = metrics.published
    return Verdict(
        blessed=all(check.passed for check in checks),
        checks=tuple(checks),
        served=ServedModel(version=published and published.version, towers=published and published.towers),
        notes=tuple(_notes(config, metrics)),
        table={
            who: {name: values[name] for name in shown if name in values} for who, values in columns(metrics).items()
        },
    )


def not_finite(reason: str) -> Verdict:
    """Verdict on a model that cannot be measured, because embeddings or scores are not finite."""
    return Verdict(blessed=False, checks=(_useless(reason),), notes=(), table={})


def _useless(reason: str) -> Check:
    """Failed check of a model that cannot tell candidates or queries apart; no setting turns it off."""
    message = f"{reason}: refused; no setting allows this"
    return Check(name=USELESS, metric="embeddings", value=None, threshold=None, passed=False, message=message)


def _unmeasured(config: "EvaluationConfig", counts: HeldOut) -> Iterator[Check]:
    """Refuses too many unmeasured queries, which a Trainer with another bound may have accepted."""
    fraction, bound = counts.unmeasured_fraction, config.max_unmeasured_fraction
    if fraction > bound:
        yield Check(
            name="unmeasured_queries",
            metric="unmeasured_fraction",
            value=fraction,
            threshold=bound,
            passed=False,
            message=f"{too_few(counts, bound)}: refused",
        )


def _thresholds(config: "EvaluationConfig", metrics: Metrics) -> Iterator[Check]:
    for metric, least in config.thresholds.items():
        value = metrics.test[metric]
        text = f"{metric} {value:.4f}{_interval(metrics.intervals.test, metric)}, at least {least:g} required"
        yield _check("threshold", metric, value, least, text, passed=value >= least, setting="evaluation.thresholds")


def _popularity(config: "EvaluationConfig", metrics: Metrics) -> Iterator[Check]:
    gate, popularity = config.min_lift_over_popularity, metrics.baselines.get("popularity")
    if popularity is None or isinstance(popularity, Skipped):
        return
    intervals = metrics.intervals.test_minus_popularity
    for metric in [config.gate_metric()] if isinstance(gate, str) else gate:
        ours, theirs = metrics.test[metric], popularity[metric]
        text = _compared(metric, ours, "popularity", theirs, intervals)
        if isinstance(gate, str):
            passed = ours > theirs or ours == theirs == 1  # nothing is above a perfect ranking
            text += ", must exceed popularity"
            if passed and intervals[metric][0] <= 0:
                text += " (the interval is not entirely above zero: may be chance)"
            yield _check("better_than_popularity", metric, ours, theirs, text, passed=passed, setting=_POPULARITY)
            continue
        # If popularity has no hit, there is no ratio, and any hit passes.
        lift = ours / theirs if theirs else None
        passed = ours > 0 if lift is None else lift >= gate[metric]
        text += f", at least {gate[metric]:g} times popularity required"
        yield _check("lift_over_popularity", metric, lift, gate[metric], text, passed=passed, setting=_POPULARITY)


def _baselines(config: "EvaluationConfig", metrics: Metrics) -> Iterator[Check]:
    for name, ratios in config.min_lift_over_baselines.items():
        baseline, setting = metrics.baselines[name], f"{_BASELINES}.{name}"
        for metric, least in ratios.items():
            ours = metrics.test[metric]
            if isinstance(baseline, Skipped):
                text, lift, passed = f"{metric} {ours:.4f}, {name} was not measured: {baseline.skipped}", None, False
            else:
                theirs = baseline[metric]
                lift, passed = _ratio(ours, theirs, least)
                text = f"{metric} {ours:.4f} against {name}'s {theirs:.4f}, at least {least:g} times that required"
            yield _check(f"lift_over_{name}", metric, lift, least, text, passed=passed, setting=setting)


def _published(config: "EvaluationConfig", metrics: Metrics) -> Iterator[Check]:
    gate = config.min_lift_over_published
    for metric in [config.gate_metric()] if isinstance(gate, str) else gate:
        least = None if isinstance(gate, str) else gate[metric]
        assert metrics.published is not None
        yield _against_published(metric, least, metrics.published)


def _against_published(metric: str, least: float | None, published: ServedMetrics | NotCompared) -> Check:
    name = "not_worse_than_published" if least is None else "lift_over_published"
    if isinstance(published, NotCompared):
        return Check(
            name=name,
            metric=metric,
            value=None,
            threshold=least,
            passed=True,
            message=f"not compared with a served model: {published.skipped}",
            skipped=published.skipped,
        )
    ours, theirs, version = published.model[metric], published.test[metric], published.version
    text = _compared(metric, ours, f"served version {version}", theirs, published.intervals)
    text += f" on {published.queries} queries"
    if least is None:
        value, threshold = ours, theirs * (1 - CLEARLY_WORSE)
        few = published.queries < FEWEST_COMPARED
        passed = few or not published.intervals[metric][1] < threshold - theirs
        text += f", must not be clearly below {threshold:.4f} ({100 * CLEARLY_WORSE:g}% tolerance)"
        text += f"; fewer than {FEWEST_COMPARED} queries are no evidence" if few else ""
        return _check(name, metric, value, threshold, text, passed=passed, setting=_PUBLISHED, version=version)
    ratio, passed = _ratio(ours, theirs, least)
    text += f", at least {least:g} times that required"
    return _check(name, metric, ratio, least, text, passed=passed, setting=_PUBLISHED, version=version)


def _churn(config: "EvaluationConfig", metrics: Metrics) -> Iterator[Check]:
    most, published = config.max_churn, metrics.published
    if most is None:
        return
    assert published is not None
    metric = f"churn@{config.main_at}"
    if published.churn is None:
        reason = published.skipped if isinstance(published, NotCompared) else ""
        text = f"answers not compared with a served model: {reason}"
        yield Check(name="churn", metric=metric, value=None, threshold=most, passed=True, message=text, skipped=reason)
        return
    found = published.churn
    low, high = (1 - bound for bound in reversed(found.intervals["overlap"]))
    text = (
        f"{metric} {found.churn:.4f} ({low:.4f} … {high:.4f}) against served version {published.version} on "
        f"{found.queries} queries, at most {most:g} allowed"
    )
    passed, version = found.churn <= most, published.version
    yield _check("churn", metric, found.churn, most, text, passed=passed, setting=_CHURN, version=version)


def _ratio(ours: float, theirs: float, least: float) -> tuple[float | None, bool]:
    """Ratio to the metric of another, and whether it suffices. If the other has no hit, every model passes."""
    ratio = ours / theirs if theirs else None
    return ratio, ratio is None or ratio >= least


def _check(
    name: str,
    metric: str,
    value: float | None,
    threshold: float | None,
    text: str,
    *,
    passed: bool,
    setting: str,
    version: int | None = None,
) -> Check:
    outcome = "passed" if passed else f"refused ({setting})"
    check = Check(
        name=name, metric=metric, value=value, threshold=threshold, passed=passed, message=f"{text}: {outcome}"
    )
    return check if version is None else check.model_copy(update={"version": version})


def _compared(metric: str, ours: float, who: str, theirs: float, intervals: Bounds) -> str:
    return f"{metric} {ours:.4f} against {who}'s {theirs:.4f}: {ours - theirs:+.4f}{_interval(intervals, metric)}"


def _interval(intervals: Bounds, metric: str) -> str:
    """Interval of a metric in words; empty for coverage, which has no values per query."""
    if metric not in intervals:
        return ""
    low, high = intervals[metric]
    return f" ({low:.4f} … {high:.4f})"


def _notes(config: "EvaluationConfig", metrics: Metrics) -> Iterator[str]:
    if "popularity" not in metrics.baselines:
        yield "not compared with popularity: it is not among evaluation.baselines"
    elif not config.min_lift_over_popularity:
        yield f"no gate against popularity: {_POPULARITY} is turned off"
    yield from _better_baselines(config, metrics)
    if metrics.published is not None and metrics.published.churn is not None and config.max_churn is None:
        yield _kept(metrics.published.churn)
    if not config.min_lift_over_published:
        yield f"not compared with a served model: {_PUBLISHED} is turned off"
    for split, counts in metrics.not_measured.items():
        yield from notes(split, counts)


def _kept(found: Churn) -> str:
    low, high = found.intervals["overlap"]
    return (
        f"{found.overlap:.0%} of the served model's first {found.k} answers are kept ({low:.0%} … {high:.0%}, Jaccard "
        f"{found.jaccard:.2f})"
    )


def _better_baselines(config: "EvaluationConfig", metrics: Metrics) -> Iterator[str]:
    """Baselines that are ahead of the model although no gate compares it with them."""
    metric = config.gate_metric()
    ours = metrics.test[metric]
    gated = {*config.min_lift_over_baselines, *(["popularity"] if config.min_lift_over_popularity else [])}
    for name, values in metrics.baselines.items():
        if name not in gated and not isinstance(values, Skipped) and values[metric] > ours:
            yield f"{name} is ahead of the model: {metric} {values[metric]:.4f} against {ours:.4f}"
