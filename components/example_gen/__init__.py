"""ExampleGen: reads source data of any supported format into clean Parquet, and keeps the rejected rows."""

from components.example_gen.component import ExampleGen
from components.example_gen.params import ExampleGenParams

__all__ = ["ExampleGen", "ExampleGenParams"]
