"""What a user says about delimited text: what separates fields, what surrounds them, in which encoding they are."""

import codecs
from typing import Literal

from pydantic import Field, field_validator, model_validator

from models.spec.strict import Strict


class CsvDialect(Strict):
    """How a file of delimited text separates, quotes and encodes its fields."""

    format: Literal["csv"]
    delimiter: str = Field(default=",", min_length=1, max_length=16)
    """What separates fields, e.g. `"\\t"`, `"|"`, `" "`, `"::"`, `"\\x01"` as in Hive's texts."""
    encoding: str = "utf-8"
    """Name of the text encoding as Python knows it, e.g. `latin-1`."""
    names: list[str] | None = None
    """Column names of files without a header line; `""` leaves a column out."""
    quote: str | None = Field(default='"', min_length=1, max_length=1)
    """What surrounds fields that contain the delimiter; `null` where quotes are ordinary characters."""
    escape: str | None = Field(default=None, min_length=1, max_length=1)
    r"""What stands before quotes that are ordinary characters, where they are not doubled: `'\'`, as Spark writes it.
    With `quote: null`, what stands before delimiters and ends of lines that are, as in Hive's and MySQL's texts.
    Doubled it means itself; before anything else it is an ordinary character."""
    null_values: list[str] = [""]
    """As for every format, but that an empty field is missing."""

    @property
    def is_utf8(self) -> bool:
        """Whether texts are UTF-8."""
        return codecs.lookup(self.encoding).name == "utf-8"

    @model_validator(mode="after")
    def _signs_differ(self) -> "CsvDialect":
        signs = {key: sign for key in ("quote", "escape") if (sign := getattr(self, key)) is not None}
        for key, sign in signs.items():
            if not sign.isascii() or sign in "\r\n":
                raise ValueError(f"'{key}' must be an ASCII character, and no end of a line, not {sign!r}")
            if sign in self.delimiter:
                raise ValueError(f"'{key}' and 'delimiter' must differ, both have {sign!r}")
        if self.escape is not None and self.escape == self.quote:
            raise ValueError(f"'escape' and 'quote' are both {self.quote!r}: doubled quotes need no 'escape'")
        if set(self.delimiter) & set("\r\n"):
            raise ValueError("'delimiter' must not have an end of a line")
        return self

    @field_validator("encoding")
    @classmethod
    def _encoding_exists(cls, value: str) -> str:
        try:
            codecs.lookup(value)
        except LookupError:
            raise ValueError(f"unknown encoding {value!r}; common ones are utf-8, latin-1, cp1252, utf-16") from None
        return value

    @field_validator("names")
    @classmethod
    def _names_are_distinct(cls, value: list[str] | None) -> list[str] | None:
        named = [name for name in value or [] if name]
        if len(set(named)) != len(named):
            raise ValueError("'names' has the same name twice")
        return value
