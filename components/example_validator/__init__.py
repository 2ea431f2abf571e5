"""ExampleValidator: checks that the data fit the schema and suffice for training."""

from components.example_validator.component import ExampleValidator
from components.example_validator.params import ExampleValidatorParams

__all__ = ["ExampleValidator", "ExampleValidatorParams"]
