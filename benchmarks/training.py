"""What a training step, training to a given quality, and the evaluation cost, beside others.

    TFDS_DATA_DIR=DIR/tfds python -m benchmarks.training --work DIR [--data DIR] [--parts steps vocabulary …]
        [--quick] [--json FILE]

`steps`: towers of an id embedding and a dense layer, in-batch softmax, Adagrad, by batch size: the matrix products
alone (the floor), ours, the TFRS tutorial with metrics off and on, plain Keras, PyTorch; and ours with default towers.
`vocabulary`: the same by rows of the table of candidates, ours with Adagrad and lazy Adam.
`recall`: seconds of training until the validation recall of the tutorial (MovieLens 100k) and of implicit's iALS
(MovieLens 1M, Amazon Beauty, which --data has to hold), ours with each data set's own configuration.
`evaluation`: exact ranking with all metrics beside the bare product and top-k; and, of the size of MovieLens 100k,
beside FactorizedTopK, which ranks the catalogue for every event, ours for every event too or once for each query.

Each line is a process of its own. iALS needs implicit: pip install 'tfrs-pipeline[benchmarks]'. PyTorch is
measured where it is installed: `pip install torch`, with which PyPI brings 5 GB of CUDA along. `--quick` leaves
`recall` out.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.harness import Goal, finish, measured, parser

_DIM = 64
_PYTORCH = ("PyTorch",) if find_spec("torch") else ()
_SIDES = ("floor", "ours", "tutorial", "plain Keras", *_PYTORCH, "ours, default towers")
_AGREED_BATCH = 8192

Row = dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        batches: batch sizes of `steps`; the largest is not necessarily the one goals are about.
        rows: rows of the table in `steps`.
        vocabularies: rows of the table in `vocabulary`.
        batch: batch size of `vocabulary`, and of the goals.
        steps: steps timed.
        ranked: queries and candidates of `evaluation`.
        tutorial_ranked: events and candidates of `evaluation` beside FactorizedTopK.
    """

    batches: tuple[int, ...] = (1024, 2048, 4096, 8192, 16384)
    rows: int = 100_000
    vocabularies: tuple[int, ...] = (10_000, 100_000, 1_000_000, 10_000_000)
    batch: int = _AGREED_BATCH
    steps: int = 10
    ranked: tuple[int, int] = (100_000, 100_000)
    tutorial_ranked: tuple[int, int] = (20_000, 1_682)


_QUICK = Sizes((512,), 10_000, (10_000, 100_000), 512, 2, (2_000, 10_000), (512, 1_682))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures the parts asked for."""
    options = parser(__doc__)
    options.add_argument("--parts", nargs="+", choices=_PARTS, help="what to measure; all if absent")
    options.add_argument("--work", type=Path, help="keeps encoded data sets; for the part recall")
    options.add_argument("--data", type=Path, help="holds the folders ml-1m and amazon-beauty; for the part recall")
    chosen = options.parse_args(arguments)
    parts = chosen.parts or [name for name in _PARTS if not (chosen.quick and name == "recall")]
    if "recall" in parts and chosen.work is None:
        options.error("the part recall needs --work DIR")
    rows: list[Row] = []
    goals: list[Goal] = []
    for part in parts:
        made = list(_PARTS[part](_QUICK if chosen.quick else Sizes(), chosen.work, chosen.data))
        rows += made
        goals += [] if chosen.quick else list(_GOALS[part](made))
    return finish(chosen, rows=rows, goals=goals)


def _steps(sizes: Sizes, work: Path | None, data: Path | None) -> Iterator[Row]:
    for batch in sizes.batches:
        floor = None
        for side in _SIDES:
            row = _step(side, batch, sizes.rows, sizes.steps)
            floor = floor or row["ms/step"]
            yield row | {"× floor": round(row["ms/step"] / floor, 2)}
    # Ranking 100,000 candidates in every step would take minutes: the smallest table, and few steps.
    yield _step("tutorial, metrics on", sizes.batch, min(sizes.vocabularies), 1)


def _vocabulary(sizes: Sizes, work: Path | None, data: Path | None) -> Iterator[Row]:
    others = [(side, "adagrad") for side in ("tutorial", "plain Keras", *_PYTORCH)]
    for side, optimizer in (("ours", "adagrad"), ("ours", "lazy_adam"), *others):
        for rows in sizes.vocabularies:
            try:
                yield _step(side, sizes.batch, rows, sizes.steps, optimizer)
            except RuntimeError as error:
                if side == "ours":
                    raise
                yield _labels(side, sizes.batch, rows, optimizer) | {"note": str(error).strip().splitlines()[-1][:80]}


def _step(side: str, batch: int, rows: int, steps: int, optimizer: str = "adagrad") -> Row:
    work = {"side": side, "batch": batch, "vocabulary": rows, "dim": _DIM, "steps": steps, "optimizer": optimizer}
    result, peak = _process("step_side", json.dumps(work))
    return _labels(side, batch, rows, optimizer) | {
        "examples/s": round(batch / result["seconds"]),
        "ms/step": round(1000 * result["seconds"], 1),
        "CPU ms/step": round(1000 * result["cpu_seconds"], 1),
        "peak MiB": round(peak),
    }


def _labels(side: str, batch: int, rows: int, optimizer: str) -> Row:
    return {"side": side, "batch": batch, "rows": rows, "optimizer": "" if side == "floor" else optimizer}


def _recall(sizes: Sizes, work: Path | None, data: Path | None) -> Iterator[Row]:
    from benchmarks.references.datasets import SOURCES, named

    assert work is not None
    pairs = (("ml-100k", "tutorial", "recall@10"), ("ml-1m", "ials", "recall@10"), ("beauty", "ials", "recall@20"))
    for name, other, metric in pairs:
        named(name, data, work)
        place = work / name.replace(" ", "_") / "as_configured"
        config = _config_file(name, data, work)
        reference, _ = _process("recall_side", other, str(config), str(place), metric, "0")
        own, _ = _process("recall_side", "ours", str(config), str(place), metric, str(reference["found"]))
        for side, result in ((other, reference), ("ours", own)):
            yield {"side": side, "data": SOURCES[name].config.stem, "metric": metric} | result


def _config_file(name: str, data: Path | None, work: Path) -> Path:
    """The data set's configuration with its place written in."""
    from benchmarks.references.datasets import SOURCES, settings

    source = SOURCES[name]
    lines = [
        f"extends: {source.config}",
        *(f"data: {{base_dir: {s.partition('=')[2]}}}" for s in settings(source, data, work)),
    ]
    file = work / f"{name.replace(' ', '_')}.yaml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def _evaluation(sizes: Sizes, work: Path | None, data: Path | None) -> Iterator[Row]:
    for sides, (queries, candidates), dim in (
        (("ours", "matmul + top-k, numpy", "matmul + top-k, TensorFlow"), sizes.ranked, _DIM),
        (("ours", "ours, by query", "FactorizedTopK"), sizes.tutorial_ranked, 32),
    ):
        for side in sides:
            ranked = {"side": side, "queries": queries, "candidates": candidates, "dim": dim}
            result, peak = _process("evaluation_side", json.dumps(ranked))
            yield ranked | {"seconds": round(result["seconds"], 4), "peak MiB": round(peak)}


def _process(module: str, *arguments: str) -> tuple[dict[str, Any], float]:
    """What a process writes, and its peak memory in MiB."""
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "output.json"
        command = [sys.executable, "-m", f"benchmarks.references.{module}", *arguments, str(output)]
        used = measured(command, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"})
        return json.loads(output.read_text(encoding="utf-8")), used.peak_mib


def _step_goals(rows: Sequence[Row]) -> Iterator[Goal]:
    at = {row["side"]: row["ms/step"] for row in rows if row["batch"] == _AGREED_BATCH}
    yield Goal.at_most(f"a step at batch {_AGREED_BATCH} ≤ 2 × the floor", at["ours"] / at["floor"], 2.0)
    yield Goal.at_least(
        f"the tutorial's step at batch {_AGREED_BATCH}, metrics off, ≥ 2 × ours", at["tutorial"] / at["ours"], 2.0
    )


def _vocabulary_goals(rows: Sequence[Row]) -> Iterator[Goal]:
    for optimizer in ("adagrad", "lazy_adam"):
        at = {row["rows"]: row["ms/step"] for row in rows if (row["side"], row["optimizer"]) == ("ours", optimizer)}
        ratio = at[10_000_000] / at[100_000]
        yield Goal.at_most(f"a step at 10M rows ≤ 1.3 × that at 100k ({optimizer})", ratio, 1.3)


def _recall_goals(rows: Sequence[Row]) -> Iterator[Goal]:
    for other, own in zip(rows[::2], rows[1::2], strict=True):
        what = f"{own['data']}: time to the {own['metric']} of {other['side']}"
        seconds = own["seconds"]
        if seconds is None:
            yield Goal(f"{what}, which was not reached", None, False)
        elif other["side"] == "tutorial":
            yield Goal.at_least(f"{what}, times shorter than its own, ≥ 20", other["seconds"] / seconds, 20.0)
        else:
            yield Goal.at_most(f"{what} ≤ 10 × its fit", seconds / other["seconds"], 10.0)


def _evaluation_goals(rows: Sequence[Row]) -> Iterator[Goal]:
    own, numpy, tensorflow, _, by_query, tutorial = (row["seconds"] for row in rows)
    yield Goal.at_most("evaluation ≤ 1.5 × the faster bare product and top-k", own / min(numpy, tensorflow), 1.5)
    what = "20,000 events of ML-100K's size: FactorizedTopK, streaming candidates, ≥ 50 × ours, by query"
    yield Goal.at_least(what, tutorial / by_query, 50.0)


_PARTS: Mapping[str, Callable[[Sizes, Path | None, Path | None], Iterator[Row]]] = {
    "steps": _steps,
    "vocabulary": _vocabulary,
    "recall": _recall,
    "evaluation": _evaluation,
}
_GOALS: Mapping[str, Callable[[Sequence[Row]], Iterator[Goal]]] = {
    "steps": _step_goals,
    "vocabulary": _vocabulary_goals,
    "recall": _recall_goals,
    "evaluation": _evaluation_goals,
}

if __name__ == "__main__":
    sys.exit(main())
