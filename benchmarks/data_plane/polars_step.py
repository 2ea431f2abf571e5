"""A data step in one polars process: the least that the work takes."""

import json
from collections.abc import Mapping

import numpy as np
import polars as pl

from benchmarks.data_plane.tasks import Done, StepTask
from benchmarks.harness.processes import answer

QUANTILES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
IDS = ("query_id", "candidate_id")


def ingestion(task: StepTask) -> None:
    """Casts, checks and renames the raw rows; good ones become Parquet, the others are kept with the reason."""
    rows = pl.scan_parquet(task.work / "raw" / "*.parquet").select(
        pl.col("user").cast(pl.String).alias("query_id"),
        pl.col("item").cast(pl.String).alias("candidate_id"),
        (pl.col("time") * 1_000_000).cast(pl.Datetime("us", "UTC")).alias("timestamp"),
        pl.col("rating").cast(pl.Float32).alias("weight"),
        pl.col("device"),
    )
    bad = (
        pl.when(pl.col("query_id").fill_null("") == "").then(pl.lit("query_id is empty"))
        .when(pl.col("candidate_id").fill_null("") == "").then(pl.lit("candidate_id is empty"))
        .when(pl.col("timestamp").is_null()).then(pl.lit("timestamp is empty"))
        .when(~pl.col("weight").is_finite().fill_null(False)).then(pl.lit("weight is not a finite number"))
        .when(pl.col("weight") < 0).then(pl.lit("weight is negative"))
    )  # fmt: skip
    target = task.home / "interactions"
    target.mkdir(parents=True)
    checked = rows.with_columns(bad.alias("reason"))
    checked.filter(pl.col("reason").is_null()).drop("reason").sink_parquet(target / "part.parquet", compression="zstd")
    checked.filter(pl.col("reason").is_not_null()).sink_parquet(task.home / "dead.parquet")


def statistics(task: StepTask) -> None:
    """Counts, distinct and frequent values, moments, quantiles, and how events fall on queries and candidates."""
    rows = pl.scan_parquet(task.home / "interactions" / "*.parquet")
    report: dict[str, object] = {}
    for name in (*IDS, "device"):
        column = rows.select(name).group_by(name).agg(pl.len()).collect(engine="streaming")
        lengths = column.select(pl.col(name).str.len_chars().alias("length"), "len")
        report[name] = {
            "distinct": len(column),
            "top": column.top_k(1000, by="len").rows(),
            "missing": column.filter(pl.col(name).is_null())["len"].sum(),
            "length": [lengths["length"].min(), lengths["length"].max(), lengths["length"].dot(lengths["len"])],
            "counts": [column["len"].quantile(share) for share in QUANTILES],
        }
    for name in ("timestamp", "weight"):
        values = pl.col(name).cast(pl.Int64) if name == "timestamp" else pl.col(name).cast(pl.Float64)
        numbers = rows.select(values).collect()[name]
        finite = numbers.filter(numbers.is_finite()) if name == "weight" else numbers
        report[name] = {
            "distinct": finite.approx_n_unique(),
            "missing": numbers.null_count(),
            "moments": [finite.mean(), finite.std(), finite.min(), finite.max(), (finite == 0).sum()],
            "quantiles": [finite.quantile(share, "nearest") for share in QUANTILES],
            "histogram": finite.hist(bin_count=10)["count"].to_list(),
        }
    pairs = rows.select(pl.struct(IDS).hash().approx_n_unique()).collect(engine="streaming")
    report["pairs"] = pairs.item()
    (task.home / "statistics.json").write_text(json.dumps(report))


def transform(task: StepTask) -> None:
    """Orders the events of every query, holds the last ones out, and writes everything as arrays of integers."""
    target = task.home / "transformed"
    target.mkdir()
    rows = pl.read_parquet(task.home / "interactions" / "*.parquet")
    codes, ids = {}, {}
    for name in IDS:
        ids[name] = rows[name].unique().sort()
        codes[name] = rows[name].cast(pl.Enum(ids[name])).to_physical().cast(pl.Int32)
        ids[name].to_frame().write_ipc(target / f"{name}.arrow")
    events = rows.drop(IDS).with_columns(**codes).sort("query_id", "timestamp", "candidate_id")
    del rows, codes
    arrays = _encoded(events, ids)
    vocabulary = arrays.pop("vocabulary")
    ids["candidate_id"].gather(vocabulary).to_frame().write_parquet(target / "vocabulary.parquet")
    for name, values in arrays.items():
        np.save(target / f"{name}.npy", values)


def _encoded(events: pl.DataFrame, ids: Mapping[str, pl.Series]) -> dict[str, np.ndarray]:
    """The arrays of ordered events, by name."""
    sizes = np.bincount(events["query_id"].to_numpy(), minlength=len(ids["query_id"]))
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    after = np.repeat(offsets[1:] - 1, sizes) - np.arange(len(events))
    split = np.where(after == 0, 2, np.where(after == 1, 1, 0)).astype(np.int8)
    split[np.repeat(sizes < 3, sizes)] = 0
    candidate = events["candidate_id"].to_numpy()
    train_count = np.bincount(candidate[split == 0], minlength=len(ids["candidate_id"]))
    vocabulary = np.lexsort([np.arange(len(train_count)), -train_count])
    token = np.empty(len(vocabulary), np.int32)
    token[vocabulary] = np.arange(len(vocabulary)) + 2
    devices = events["device"].filter(pl.Series(split == 0)).value_counts(sort=True)["device"]
    return {
        "offsets": offsets,
        "candidate": candidate,
        "split": split,
        "train_count": train_count,
        "token": token,
        "vocabulary": vocabulary,
        "timestamp": events["timestamp"].to_physical().to_numpy(),
        "weight": events["weight"].to_numpy(),
        "device": events["device"].cast(pl.Enum(devices)).to_physical().cast(pl.Int32).to_numpy() + np.int32(2),
    }


def run(task: StepTask) -> Done:
    """Runs one step."""
    {"ingestion": ingestion, "statistics": statistics, "transform": transform}[task.step](task)
    return Done()


if __name__ == "__main__":
    answer(StepTask, run)
