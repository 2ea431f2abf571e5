"""ExampleGen: reads a user's data, whatever their format, into clean Parquet, and keeps what it had to reject."""

from components.example_gen.component import ExampleGen
from components.example_gen.params import ExampleGenParams

__all__ = ["ExampleGen", "ExampleGenParams"]
