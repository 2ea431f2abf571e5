"""ExampleValidator: does the data fit the schema, and is there enough of it to learn from?"""

from components.example_validator.component import ExampleValidator
from components.example_validator.params import ExampleValidatorParams

__all__ = ["ExampleValidator", "ExampleValidatorParams"]
