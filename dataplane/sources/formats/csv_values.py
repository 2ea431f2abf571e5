"""Tells values of delimited text from column names."""

import re

_NUMBER = re.compile(r"^[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?$")
_DATE = re.compile(r"^\d{1,4}[-./]\d{1,2}[-./]\d{1,4}([T ,]|$)")


def is_value(field: str) -> bool:
    """Whether a field is a number or begins like a date, which column names do not."""
    return _NUMBER.match(field.strip()) is not None or _DATE.match(field.strip()) is not None
