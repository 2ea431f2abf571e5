"""StatisticsGen: what is in the Examples, in numbers."""

from components.statistics_gen.component import StatisticsGen
from components.statistics_gen.params import TABLES

__all__ = ["TABLES", "StatisticsGen"]
