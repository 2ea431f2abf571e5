"""StatisticsGen: computes statistics of every column of the Examples."""

from components.statistics_gen.component import StatisticsGen
from components.statistics_gen.params import TABLES

__all__ = ["TABLES", "StatisticsGen"]
