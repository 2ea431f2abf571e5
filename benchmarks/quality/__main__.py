"""How well the configurations retrieve, beside what others do, on the same splits with the same metric code.

    TFDS_DATA_DIR=DIR/tfds python -m benchmarks.quality --data DIR --work DIR [--datasets ml-100k …] [--systems dssm …]
        [--baselines iALS …] [--seeds 5] [--quick] [--json FILE]

Every data set goes through the pipeline's ingestion and Transform once for each set of features. Every run is a
process of its own: a baseline with all its choices, of which validation picks one, or Trainer and Evaluator with one
seed. --work keeps runs under a digest of their configuration and does not repeat them, so a long table can be made in
several nights. Code is not part of the digest: take a fresh --work after changing code. `--quick` takes the synthetic
stream, one seed, two epochs and one choice of each baseline.

`default` is the data set's own configuration. A system is its towers, loss and negatives from tfx_config/systems on
the features of the data set, or on none if the system has none. Only the synthetic stream has actions and weights
them. Intervals are 95 % by bootstrap over queries, of the difference between the mean over seeds and the strongest
baseline, which validation names.

iALS needs implicit: pip install 'tfrs-pipeline[benchmarks]'. LensKit's rows need `pip install lenskit`, which brings
PyTorch and with it 5 GB of CUDA; without LensKit they are skipped. RecBole is not among the rows.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from benchmarks.baselines import BASELINE_NAMES, BaselineName
from benchmarks.datasets import DATASETS, DatasetName
from benchmarks.harness.report import Goal, Record, finish, parser
from benchmarks.quality.names import DEFAULT, system_names

_QUICK_DATASETS: Sequence[DatasetName] = ("synthetic cold",)
_QUICK_BASELINES: Sequence[BaselineName] = ("popularity", "EASE, recency")


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the runs that are not there yet, and prints the table."""
    chosen = _options().parse_args(arguments)

    from benchmarks.quality.comparison import Comparison
    from benchmarks.quality.goals import goals_of, quick_goals
    from benchmarks.quality.runs import Plan, methods_on

    plan = Plan(
        data=chosen.data,
        work=chosen.work.absolute() / ("quick" if chosen.quick else "full"),
        systems=chosen.systems or ([DEFAULT] if chosen.quick else system_names()),
        baselines=chosen.baselines or (_QUICK_BASELINES if chosen.quick else BASELINE_NAMES),
        seeds=1 if chosen.quick else chosen.seeds,
        is_quick=chosen.quick,
    )
    rows: list[Record] = []
    goals: list[Goal] = []
    for name in chosen.datasets or (_QUICK_DATASETS if chosen.quick else DATASETS):
        comparison = Comparison(name, list(methods_on(name, plan)))
        rows += comparison.rows()
        goals += quick_goals(comparison) if chosen.quick else goals_of(comparison)
    return finish(chosen.json, rows=rows, goals=goals)


def _options() -> ArgumentParser:
    options = parser("quality", __doc__)
    options.add_argument("--data", type=Path, help="has the folders ml-1m, amazon-beauty and movie-export")
    options.add_argument("--work", type=Path, required=True, help="keeps runs, to continue the table later")
    options.add_argument("--datasets", nargs="+", choices=DATASETS, help="which data sets; all if absent")
    options.add_argument("--systems", nargs="+", choices=system_names(), help="which systems; all if absent")
    options.add_argument("--baselines", nargs="+", choices=BASELINE_NAMES, help="which baselines; all if absent")
    options.add_argument("--seeds", type=int, default=5, help="how many seeds of each system (%(default)s)")
    return options


if __name__ == "__main__":
    sys.exit(main())
