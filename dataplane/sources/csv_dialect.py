"""Settings of delimited text: delimiter, quotes, escapes, column names and encoding."""

import codecs
from typing import Literal

from pydantic import Field, field_validator, model_validator

from models.spec.strict import Strict


class CsvDialect(Strict):
    """How a file of delimited text separates, quotes and encodes its fields."""

    format: Literal["csv"]
    delimiter: str = Field(default=",", min_length=1, max_length=16)
    """Text that separates fields: `"\\t"`, `"|"`, `" "`, `"::"`, or `"\\x01"` as in Hive's files."""
    encoding: str = "utf-8"
    """Text encoding by its Python name, such as `latin-1`."""
    names: list[str] | None = None
    """Column names of files without a header line; `""` skips a column."""
    quote: str | None = Field(default='"', min_length=1, max_length=1)
    """Character around fields that contain the delimiter; `null` if quotes are ordinary characters."""
    escape: str | None = Field(default=None, min_length=1, max_length=1)
    r"""Character before a quote that belongs to the value, in files that do not double such quotes: `'\'` in Spark's
    files. With `quote: null`, the character before a delimiter or end of line that belongs to the value, as in files of
    Hive and MySQL. Two escapes are one escape character; before any other character an escape is an ordinary
    character."""
    null_values: list[str] = [""]
    """Texts that mean a missing value, as in every format. The default is the empty field."""

    @property
    def is_utf8(self) -> bool:
        """Whether the encoding is UTF-8."""
        return codecs.lookup(self.encoding).name == "utf-8"

    @model_validator(mode="after")
    def _signs_differ(self) -> "CsvDialect":
        signs = {key: sign for key in ("quote", "escape") if (sign := getattr(self, key)) is not None}
        for key, sign in signs.items():
            if not sign.isascii() or sign in "\r\n":
                raise ValueError(f"'{key}' must be an ASCII character other than an end of line, not {sign!r}")
            if sign in self.delimiter:
                raise ValueError(f"'{key}' and 'delimiter' must not share a character; both contain {sign!r}")
        if self.escape is not None and self.escape == self.quote:
            raise ValueError(f"'escape' and 'quote' are both {self.quote!r}: doubled quotes need no 'escape'")
        if set(self.delimiter) & set("\r\n"):
            raise ValueError("'delimiter' must not contain an end of line")
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
            raise ValueError("'names' lists a name twice")
        return value
