"""ExampleValidator: checks that the data fit the schema and suffice for training."""

from components.example_validator.component import ExampleValidator
from components.example_validator.earlier import EarlierStatistics, GivenData
from components.example_validator.params import ExampleValidatorParams

__all__ = ["EarlierStatistics", "ExampleValidator", "ExampleValidatorParams", "GivenData"]
