"""How well the configurations retrieve, beside what others do, on the same splits with the same metric code.

    TFDS_DATA_DIR=DIR/tfds python -m benchmarks.quality --data DIR --work DIR [--datasets ml-100k …] [--systems dssm …]
        [--baselines iALS …] [--seeds 5] [--quick] [--json FILE]

Every data set goes through the pipeline's ingestion and Transform once for each set of features; every row is a
process of its own: a baseline with all its choices, of which validation picks one, or Trainer and Evaluator with one
seed. Rows are kept in --work under a digest of their configuration and are not made again, so a long table can be
made in several nights; code is not part of the digest, so take a fresh --work after changing it. `--quick` takes the
made-up stream, one seed, few epochs and one choice of each baseline.

`default` is the data set's own configuration, a system is its towers, loss and negatives from tfx_config/systems on
the features of the data set, or on none where it has none itself; actions are weighted in the made-up stream only, the
others have none. Intervals are 95 % by bootstrap over queries of the difference between the mean over seeds and the
strongest baseline, which validation names.

iALS needs implicit: pip install 'tfrs-pipeline[benchmarks]'. LensKit's rows need `pip install lenskit`, which brings
PyTorch and with it 5 GB of CUDA, and say so where it is missing. RecBole is not among the rows.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.harness import Goal, finish, measured, parser
from benchmarks.references.datasets import SOURCES, Source, settings
from benchmarks.references.histories import BASELINES
from dataplane.errors import ConfigError
from models.ranking.metrics import paired_interval
from pipeline.config.config import PipelineConfig, load_config
from pipeline.config.yaml_file import read_document

_SYSTEMS = Path(__file__).parents[1] / "tfx_config" / "systems"
_DEFAULT, _ID_ONLY = "default", "default, ids only"
_ALL = 1_000
_QUICK_BASELINES = ("popularity", "EASE, recency")
_COLD = {name for name in SOURCES if name.endswith("cold")}
_HIGHEST = {"ml-100k": (0.21, 0.112), "ml-1m": (0.315, 0.182)}
"""Test hit rate and NDCG at 10 that are wanted of the best system."""


@dataclass(frozen=True)
class Table:
    """What is asked for.

    Attributes:
        data: where files are.
        work: keeps what was made.
        seeds: number of seeds.
        quick: whether training is cut short.
    """

    data: Path | None
    work: Path
    seeds: int
    quick: bool


@dataclass(frozen=True)
class Row:
    """A method on a data set.

    Attributes:
        method: its name.
        runs: `row.json` of each seed.
        per_query: mean over the seeds of each query's test metrics, by name; empty where the method was skipped.
    """

    method: str
    runs: Sequence[Mapping[str, Any]]
    per_query: Mapping[str, np.ndarray]

    def mean(self, split: str, metric: str) -> float:
        """Mean over the seeds."""
        return float(np.mean([run[split][metric] for run in self.runs]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the rows that are not there yet, and prints the table."""
    options = parser(__doc__)
    options.add_argument("--data", type=Path, help="holds the folders ml-1m, amazon-beauty and movie-export")
    options.add_argument("--work", type=Path, required=True, help="keeps rows, for the table to be continued")
    options.add_argument("--datasets", nargs="+", choices=SOURCES, help="which data sets; all if absent")
    options.add_argument("--systems", nargs="+", choices=_systems(), help="which systems; all if absent")
    options.add_argument("--baselines", nargs="+", choices=BASELINES, help="which baselines; all if absent")
    options.add_argument("--seeds", type=int, default=5, help="how many seeds of each system")
    chosen = options.parse_args(arguments)
    work = chosen.work.absolute() / ("quick" if chosen.quick else "full")
    table = Table(chosen.data, work, 1 if chosen.quick else chosen.seeds, chosen.quick)
    rows, goals = [], []
    for name in chosen.datasets or (["synthetic cold"] if chosen.quick else SOURCES):
        systems = chosen.systems or ([_DEFAULT] if chosen.quick else _systems())
        made = list(
            _rows_of(name, table, systems, chosen.baselines or (_QUICK_BASELINES if chosen.quick else BASELINES))
        )
        rows += list(_shown(name, made))
        goals += [] if chosen.quick else list(_goals(name, made))
    return finish(chosen, rows=rows, goals=goals)


def _systems() -> list[str]:
    return [_DEFAULT, _ID_ONLY, *sorted(file.stem for file in _SYSTEMS.glob("*.yaml"))]


def _rows_of(name: str, table: Table, systems: Sequence[str], baselines: Iterable[str]) -> Iterator[Row]:
    source, directory = SOURCES[name], table.work / name.replace(" ", "_")
    own = _written(directory, _DEFAULT, _values_of(source, table, _DEFAULT))
    for baseline in baselines:
        yield _row(source, directory, baseline, [("baseline", baseline)], own, choices=1 if table.quick else _ALL)
    for system in systems:
        try:
            config = _written(directory, system, _values_of(source, table, system))
            load_config(config)
        except ConfigError as error:
            print(f"{name}: {system} does not fit: {error}", file=sys.stderr)
            continue
        seeds = [("system", str(seed)) for seed in range(1, table.seeds + 1)]
        yield _row(source, directory, system, seeds, config, choices=_ALL)


def _values_of(source: Source, table: Table, system: str) -> dict[str, Any]:
    """The configuration of a system on a data set, as YAML has it."""
    own = read_document(source.config, settings(source, table.data, table.work)).values
    own["data"].setdefault("base_dir", str(source.config.parent))
    if system == _ID_ONLY:
        own["features"] = {}
        own["evaluation"] = {}
    elif system != _DEFAULT:
        other = read_document(_SYSTEMS / f"{system}.yaml").values
        features = other.get("features", {})
        with_features = any(features.get(side) for side in ("query", "context", "candidate"))
        kept = own.get("features", {}) if with_features else {}
        own["features"] = kept | {name: features[name] for name in ("history", "candidate_id") if name in features}
        own["model"] = other.get("model", {})
        own["training"] = other.get("training", {}) | {
            "metric": own.get("training", {}).get("metric", source.metric if source.at < 100 else "recall@50"),
            "max_epochs": source.epochs,
        }
        own["evaluation"] = {}
        _fit_to_columns(own, other)
    if table.quick:
        own["training"] = own.get("training", {}) | {"max_epochs": 2}
    return own


def _fit_to_columns(own: dict[str, Any], system: Mapping[str, Any]) -> None:
    """Its query ids come along, the data's first category stands for its own, actions weigh where there are any."""
    features, model, training = own["features"], own["model"], own["training"]
    if augmentation := model.get("augmentation"):
        query_id = augmentation["query_id"]
        features["query"] = features.get("query", {}) | {query_id: system["features"]["query"][query_id]}
        kinds = features.get("candidate", {}).items()
        categories = [name for name, feature in kinds if feature["type"] == "categorical"]
        alignment = augmentation["alignment"] | {"feature": categories[0]} if categories else None
        own["model"] = model | {"augmentation": augmentation | {"alignment": alignment}}
    if own["data"]["interactions"]["format"] != "synthetic":
        own["training"] = training | {"event_weights": None}


def _written(directory: Path, system: str, values: Mapping[str, Any]) -> Path:
    file = directory / "configurations" / f"{system.replace(' ', '_').replace(',', '')}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(dict(values), sort_keys=False), encoding="utf-8")
    return file


def _row(
    source: Source, directory: Path, method: str, sides: Sequence[tuple[str, str]], file: Path, *, choices: int
) -> Row:
    config = load_config(file)
    features = _digest(config, "data", "split", "features", "seed")
    runs, per_query = [], []
    for kind, name in sides:
        what = _digest(config, "data", "split", "features", "seed", "model", "training", "remove_seen")
        key = f"{name.replace(' ', '_').replace(',', '')}-{features if kind == 'baseline' else what}"
        output = directory / kind / key
        if not (output / "row.json").is_file():
            print(f"{directory.name}: {method}, {kind} {name}", file=sys.stderr, flush=True)
            arguments = [kind, name, str(file), str(directory / f"prepared-{features}"), str(output)]
            module = [sys.executable, "-m", "benchmarks.references.quality_side"]
            used = measured([*module, *arguments, str(source.at), source.metric, str(choices)], env=dict(os.environ))
            (output / "usage.json").write_text(json.dumps(asdict(used)) + "\n", encoding="utf-8")
        runs.append(json.loads((output / "row.json").read_text(encoding="utf-8")))
        if "skipped" not in runs[-1]:
            with np.load(output / "per_query.npz") as values:
                per_query.append(dict(values))
    means = (
        {name: np.mean([values[name] for values in per_query], axis=0) for name in per_query[0]} if per_query else {}
    )
    return Row(method, runs, means)


def _digest(config: PipelineConfig, *sections: str) -> str:
    kept = config.model_dump(mode="json", include=set(sections))
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]


def _shown(name: str, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """The rows of the printed table."""
    source = SOURCES[name]
    strongest = _strongest(rows, source)
    for row in rows:
        if not row.per_query:
            yield {"data": name, "method": row.method, "note": f"skipped: {row.runs[0]['skipped']}"}
            continue
        shown: dict[str, Any] = {"data": name, "method": row.method, "seeds": len(row.runs)}
        for metric in _metrics(source):
            values = [run["test"][metric] for run in row.runs]
            shown[metric.replace("hit_rate", "HR").upper()] = round(float(np.mean(values)), 4)
            if len(values) > 1:
                shown[f"± {metric.partition('@')[0]}"] = round(float(np.std(values, ddof=1)), 4)
        shown[f"validation {source.metric.partition('@')[0]}"] = round(row.mean("validation", source.metric), 4)
        if strongest is not None and row.method not in BASELINES:
            low, high = _interval(row, strongest, source)
            shown["− strongest baseline"] = f"{low:+.4f} … {high:+.4f} ({strongest.method})"
        if name in _COLD:
            shown |= _cold_values(row, rows, source)
        yield shown | {"fit s": round(float(np.mean([run["fit"] for run in row.runs])), 1)} | _note(row)


def _note(row: Row) -> dict[str, str]:
    choice = row.runs[0].get("choice")
    return {"note": ", ".join(f"{name} {value:g}" for name, value in choice.items())} if choice else {}


def _metrics(source: Source) -> tuple[str, str]:
    """Of one relevant candidate a query, hits; of several, recall."""
    return (f"{'hit_rate' if source.at == 10 else 'recall'}@{source.at}", f"ndcg@{source.at}")


def _strongest(rows: Sequence[Row], source: Source) -> Row | None:
    """The baseline that is best on validation."""
    baselines = [row for row in rows if row.method in BASELINES and row.per_query]
    return max(baselines, key=lambda row: row.mean("validation", source.metric)) if baselines else None


def _interval(row: Row, other: Row, source: Source) -> tuple[float, float]:
    metric = source.metric.partition("@")[0]
    difference = row.per_query[metric] - other.per_query[metric]
    return paired_interval(difference[:, None], seed=1)[0]


def _cold_values(row: Row, rows: Sequence[Row], source: Source) -> dict[str, Any]:
    """Recall of what has no training event, what drawing at random would have, and the order among new candidates."""
    chance = next((other.runs[0]["chance"] for other in rows if "chance" in other.runs[0]), None)
    values: dict[str, Any] = {"chance": chance}
    for side in ("candidate", "query"):
        parts = [run["slices"][side]["new"] for run in row.runs if "new" in run.get("slices", {}).get(side, {})]
        if parts:
            values[f"new {side}"] = round(float(np.mean([part[f"recall@{source.at}"] for part in parts])), 4)
    of_runs = [run["new_auc"] for run in row.runs if run.get("new_auc") is not None]
    return values | ({"new candidate AUC": round(float(np.mean(of_runs)), 4)} if of_runs else {})


def _goals(name: str, rows: Sequence[Row]) -> Iterator[Goal]:
    source, by_name = SOURCES[name], {row.method: row for row in rows if row.per_query}
    systems = [row for row in by_name.values() if row.method not in BASELINES]
    best = max(systems, key=lambda row: row.mean("validation", source.metric), default=None)
    if best is None:
        return
    if name in _HIGHEST:
        for metric, limit in zip(_metrics(source), _HIGHEST[name], strict=True):
            what = f"{name}: test {metric} of the system that validation names ({best.method}) ≥ {limit}"
            yield Goal.at_least(what, best.mean("test", metric), limit)
    if name == "beauty":
        for baseline in ("iALS", "item-kNN"):
            yield from _beats(name, best, by_name.get(baseline), 1.0)
    if name == "untuned" and _DEFAULT in by_name:
        yield from _beats(name, by_name[_DEFAULT], by_name.get("popularity"), 2.0)
        for baseline in ("iALS", "item-kNN"):
            yield from _beats(name, by_name[_DEFAULT], by_name.get(baseline), 1.0)
    if name in _COLD and _DEFAULT in by_name:
        yield from _cold_goals(name, by_name, rows)


def _beats(name: str, row: Row, baseline: Row | None, times: float) -> Iterator[Goal]:
    if baseline is None:
        return
    for metric in _metrics(SOURCES[name]):
        ratio = row.mean("test", metric) / max(baseline.mean("test", metric), 1e-9)
        yield Goal.at_least(f"{name}: {metric} of {row.method} ≥ {times:g} × that of {baseline.method}", ratio, times)


def _cold_goals(name: str, by_name: Mapping[str, Row], rows: Sequence[Row]) -> Iterator[Goal]:
    source = SOURCES[name]
    values = {method: _cold_values(row, rows, source) for method, row in by_name.items()}
    chance = values[_DEFAULT]["chance"]
    # Withheld at random, new candidates compete with popular ones that are likelier, whatever their features: an
    # accurate ranking then has them further down, and only their order among themselves tells what features are worth.
    for side in ("query",) if source.withheld else ("candidate", "query"):
        found = values[_DEFAULT].get(f"new {side}")
        if found is not None and chance:
            yield Goal.at_least(
                f"{name}: recall by features of what is new, {side} side, ≥ 2 × chance", found / chance, 2.0
            )
    what = f"{name}: order of new candidates among themselves, AUC"
    if (found := values[_DEFAULT].get("new candidate AUC")) is not None:
        yield Goal.at_least(f"{what}, by features ≥ .6", found, 0.6)
    if (blind := values.get(_ID_ONLY, {}).get("new candidate AUC")) is not None:
        # All alike up to rounding: chance is .5.
        yield Goal.at_most(f"{what}, by ids alone ≤ .51", blind, 0.51)


if __name__ == "__main__":
    sys.exit(main())
