"""What a training step, training to a given quality, and the evaluation cost, beside others.

    TFDS_DATA_DIR=DIR/tfds python -m benchmarks.training --work DIR [--data DIR] [--parts steps vocabulary …]
        [--quick] [--json FILE]

`steps`: towers of an id embedding and a dense layer, in-batch softmax, Adagrad, by batch size. The sides are the
matrix products alone (the floor), ours, the TFRS tutorial with metrics off and on, plain Keras, PyTorch; and ours with
default towers.
`vocabulary`: the same by rows of the table of candidates, ours with Adagrad and lazy Adam.
`recall`: seconds of training until the validation finds the recall of the tutorial (MovieLens 100k) and of implicit's
iALS (MovieLens 1M, Amazon Beauty, which --data has to hold), ours with each data set's own configuration.
`evaluation`: exact ranking with all metrics beside the bare product and top-k. At the size of MovieLens 100k it is
measured beside FactorizedTopK, which ranks the catalogue for every event: ours for every event, and once per query.

Each row is a process of its own. iALS needs implicit: pip install 'tfrs-pipeline[benchmarks]'. PyTorch is measured
where it is installed: `pip install torch`, which brings 5 GB of CUDA. `--quick` leaves `recall` out
and has no goals.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.report import Goal, Record, finish, parser

_PARTS = ("steps", "vocabulary", "recall", "evaluation")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures the parts asked for."""
    options = parser("training", __doc__)
    options.add_argument("--parts", nargs="+", choices=_PARTS, help="what to measure; all if absent")
    options.add_argument("--work", type=Path, help="keeps encoded data sets; for the part recall")
    options.add_argument("--data", type=Path, help="has the folders ml-1m and amazon-beauty; for the part recall")
    chosen = options.parse_args(arguments)
    rows: list[Record] = []
    goals: list[Goal] = []
    for part in _parts(chosen, options):
        part_rows, part_goals = _measure(part, chosen)
        rows += part_rows
        goals += part_goals
    return finish(chosen.json, rows=rows, goals=goals)


def _parts(chosen: Namespace, options: ArgumentParser) -> Sequence[str]:
    parts = chosen.parts or [part for part in _PARTS if not (chosen.quick and part == "recall")]
    if "recall" in parts and chosen.quick:
        options.error("the part recall has no quick size: leave --quick out")
    if "recall" in parts and chosen.work is None:
        options.error("the part recall needs --work DIR")
    return parts


def _measure(part: str, chosen: Namespace) -> tuple[Sequence[Record], Sequence[Goal]]:
    """Rows and goals of a part; a quick run is too short for goals, which are all about time."""
    from benchmarks.training import evaluation, steps
    from benchmarks.training.sizes import FULL, QUICK

    sizes = QUICK if chosen.quick else FULL
    match part:
        case "steps":
            by_batch = list(steps.batch_rows(sizes))
            return by_batch, [] if chosen.quick else list(steps.batch_goals(by_batch))
        case "vocabulary":
            by_rows = list(steps.vocabulary_rows(sizes))
            return by_rows, [] if chosen.quick else list(steps.vocabulary_goals(by_rows))
        case "evaluation":
            rankings = list(evaluation.ranking_rows(sizes))
            return rankings, [] if chosen.quick else list(evaluation.ranking_goals(rankings))

    from benchmarks.training.recall import recall_goals, recall_rows

    recalls = list(recall_rows(chosen.data, chosen.work))
    return recalls, list(recall_goals(recalls))


if __name__ == "__main__":
    sys.exit(main())
