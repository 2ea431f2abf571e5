"""Parameters of ExampleGen: the section `data`."""

from dataplane.sources.data_config import ExampleGenParams

__all__ = ["ExampleGenParams"]
