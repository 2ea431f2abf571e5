"""The gates a model has to pass to be published: what is compared with what, and the outcome in words.

The content of `blessing.json`:

    blessed  whether every check passed
    checks   [{"name", "metric", "value", "threshold", "passed", "message"}, …]; against the served model also its
             "version", or why it was "skipped"
    served   the served "version" that was looked at, null if there was none, and the digest of this model's "towers"
    notes    what was not compared, and what a reader should know of the checks
    table    the metrics that the checks rest on, of the model and of what it is compared with (see `verdict.columns`)
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dataplane.dataset.held_out import notes, too_few
from dataplane.verdict import USELESS, columns

if TYPE_CHECKING:
    from components.evaluator.params import EvaluationConfig

CLEARLY_WORSE = 0.02
"""Share of the served model's value by which the whole interval must lie below it to be called clearly worse."""
FEWEST_COMPARED = 10
"""With fewer queries an interval is no evidence."""

_POPULARITY = "evaluation.min_lift_over_popularity"
_PUBLISHED = "evaluation.min_lift_over_published"

Check = dict[str, Any]


def blessing(config: "EvaluationConfig", metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict on a model, the content of `blessing.json`.

    Args:
        config: the gates.
        metrics: content of `metrics.json`.
    """
    checks = [_useless(metrics["collapsed"])] if "collapsed" in metrics else []
    checks += [
        *_unmeasured(config, metrics["not_measured"]["test"]),
        *_thresholds(config, metrics),
        *_popularity(config, metrics),
        *_published(config, metrics),
    ]
    shown = dict.fromkeys((*config.main_metrics(), *config.named_metrics()))
    return {
        "blessed": all(check["passed"] for check in checks),
        "checks": checks,
        "served": {key: metrics.get("published", {}).get(key) for key in ("version", "towers")},
        "notes": list(_notes(config, metrics)),
        "table": {
            who: {name: values[name] for name in shown if name in values} for who, values in columns(metrics).items()
        },
    }


def not_finite(reason: str) -> dict[str, Any]:
    """The verdict on a model that cannot be measured, since embeddings or scores are not numbers."""
    return {"blessed": False, "checks": [_useless(reason)], "notes": [], "table": {}}


def _useless(reason: str) -> Check:
    """Of a model that cannot tell candidates or queries apart; no setting turns this off."""
    nothing = {"metric": "embeddings", "value": None, "threshold": None}
    return {"name": USELESS, **nothing, "passed": False, "message": f"{reason}: refused, whatever the settings"}


def _unmeasured(config: "EvaluationConfig", counts: Mapping[str, int]) -> Iterator[Check]:
    """Refuses what a Trainer with another bound, or an earlier one, let through."""
    fraction, bound = counts["queries_without"] / counts["queries"], config.max_unmeasured_fraction
    if fraction > bound:
        said = too_few(counts, bound)
        yield {
            "name": "unmeasured_queries",
            "metric": "unmeasured_fraction",
            "value": fraction,
            "threshold": bound,
            "passed": False,
            "message": f"{said}: refused",
        }


def _thresholds(config: "EvaluationConfig", metrics: Mapping[str, Any]) -> Iterator[Check]:
    for metric, least in config.thresholds.items():
        value = metrics["test"][metric]
        said = f"{metric} {value:.4f}{_interval(metrics['intervals']['test'], metric)}, at least {least:g} asked for"
        yield _check("threshold", metric, value, least, said, passed=value >= least, setting="evaluation.thresholds")


def _popularity(config: "EvaluationConfig", metrics: Mapping[str, Any]) -> Iterator[Check]:
    gate, popularity = config.min_lift_over_popularity, metrics["baselines"].get("popularity")
    if popularity is None:
        return
    intervals = metrics["intervals"]["test_minus_popularity"]
    for metric in [config.gate_metric()] if isinstance(gate, str) else gate:
        ours, theirs = metrics["test"][metric], popularity[metric]
        said = _compared(metric, ours, "popularity", theirs, intervals)
        if isinstance(gate, str):
            passed = ours > theirs or ours == theirs == 1  # nothing is above a perfect ranking
            said += ", more than popularity asked for"
            said += (
                "" if intervals[metric][0] > 0 or not passed else " (the interval is not all above zero: may be chance)"
            )
            yield _check("better_than_popularity", metric, ours, theirs, said, passed=passed, setting=_POPULARITY)
            continue
        # Over nothing there is no ratio: any hit is then better than popularity, and no hit is not.
        lift = ours / theirs if theirs else None
        passed = ours > 0 if lift is None else lift >= gate[metric]
        said += f", at least {gate[metric]:g} times popularity asked for"
        yield _check("lift_over_popularity", metric, lift, gate[metric], said, passed=passed, setting=_POPULARITY)


def _published(config: "EvaluationConfig", metrics: Mapping[str, Any]) -> Iterator[Check]:
    gate = config.min_lift_over_published
    for metric in [config.gate_metric()] if isinstance(gate, str) else gate:
        least = None if isinstance(gate, str) else gate[metric]
        yield _against_published(metric, least, metrics["published"])


def _against_published(metric: str, least: float | None, published: Mapping[str, Any]) -> Check:
    name = "not_worse_than_published" if least is None else "lift_over_published"
    if "skipped" in published:
        said = f"not compared with a served model: {published['skipped']}"
        check = _check(name, metric, None, least, said, passed=True, setting=_PUBLISHED)
        return check | {"skipped": published["skipped"], "message": said}
    ours, theirs, version = published["model"][metric], published["test"][metric], published["version"]
    said = _compared(metric, ours, f"served version {version}", theirs, published["intervals"])
    said += f" on {published['queries']} queries"
    if least is None:
        value, threshold = ours, theirs * (1 - CLEARLY_WORSE)
        few = published["queries"] < FEWEST_COMPARED
        passed = few or not published["intervals"][metric][1] < threshold - theirs
        said += f", not clearly below {threshold:.4f} asked for ({100 * CLEARLY_WORSE:g}% may be lost)"
        said += f"; fewer than {FEWEST_COMPARED} queries show nothing clearly" if few else ""
        return _check(name, metric, value, threshold, said, passed=passed, setting=_PUBLISHED) | {"version": version}
    # Nothing is at least any share of nothing.
    ratio = ours / theirs if theirs else None
    said += f", at least {least:g} times it asked for"
    passed = ratio is None or ratio >= least
    return _check(name, metric, ratio, least, said, passed=passed, setting=_PUBLISHED) | {"version": version}


def _check(
    name: str, metric: str, value: float | None, threshold: float | None, said: str, *, passed: bool, setting: str
) -> Check:
    outcome = "passed" if passed else f"refused ({setting})"
    return {
        "name": name,
        "metric": metric,
        "value": value,
        "threshold": threshold,
        "passed": passed,
        "message": f"{said}: {outcome}",
    }


def _compared(metric: str, ours: float, who: str, theirs: float, intervals: Mapping[str, Any]) -> str:
    return f"{metric} {ours:.4f} against {who}'s {theirs:.4f}: {ours - theirs:+.4f}{_interval(intervals, metric)}"


def _interval(intervals: Mapping[str, Any], metric: str) -> str:
    """The interval of a metric; coverage, which no query has a value of, has none."""
    if metric not in intervals:
        return ""
    low, high = intervals[metric]
    return f" ({low:.4f} … {high:.4f})"


def _notes(config: "EvaluationConfig", metrics: Mapping[str, Any]) -> Iterator[str]:
    if "popularity" not in metrics["baselines"]:
        yield "not compared with popularity: it is not among evaluation.baselines"
    elif not config.min_lift_over_popularity:
        yield f"popularity decides nothing: {_POPULARITY} is turned off"
    if not config.min_lift_over_published:
        yield f"not compared with a served model: {_PUBLISHED} is turned off"
    for split, counts in metrics["not_measured"].items():
        yield from notes(split, counts)
