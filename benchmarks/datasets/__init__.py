"""The data sets of the benchmarks: where they come from, and what the pipeline makes of them."""

from typing import Literal, get_args

DatasetName = Literal["ml-100k", "ml-1m", "beauty", "untuned", "ml-1m cold", "synthetic cold", "large static"]
DATASETS: tuple[DatasetName, ...] = get_args(DatasetName)
