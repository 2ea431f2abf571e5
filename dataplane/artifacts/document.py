"""JSON files of artifacts: one frozen model per file, the only code that reads and writes it.

The fields of a model are the keys of the file, in the same order. A field with a default is omitted from the file if it
is not set, as in files of older releases. Unknown keys are ignored.
"""

import json
from pathlib import Path
from typing import Any, ClassVar, Self, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, RootModel, ValidationError

from dataplane.artifacts import Artifact
from dataplane.errors import UnreadableDocumentError
from dataplane.errors.messages import first_problem

__all__ = ["Document", "JsonValue", "Number", "Part", "Rooted", "read_model"]

Number: TypeAlias = int | float
"""A number that keeps its JSON type, so a count stays an integer."""

ModelT = TypeVar("ModelT", bound=BaseModel)
_FORMAT = "format"


class Part(BaseModel):
    """An object within a document."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", use_attribute_docstrings=True, validate_by_name=True, serialize_by_alias=True
    )


class _Stored(BaseModel):
    FILE: ClassVar[str]
    """Name of the file in its artifact."""
    FORMAT: ClassVar[int] = 1
    """Format of the file. Raise it if older releases would misread the file. Format 1 is not written to the file."""

    @classmethod
    def read(cls, artifact: Artifact) -> Self:
        """Reads the file.

        Raises:
            UnreadableDocumentError: the file is missing, has another format, or does not fit the model.
        """
        return read_model(artifact.path / cls.FILE, cls, form=cls.FORMAT)

    def write(self, artifact: Artifact) -> None:
        """Writes the file without the keys that are not set."""
        content = self.model_dump(mode="json", exclude_unset=True)
        artifact.write_json(self.FILE, content if self.FORMAT == 1 else {_FORMAT: self.FORMAT, **content})


class Document(Part, _Stored):
    """A file with a JSON object."""


class Rooted(RootModel[Any], _Stored):
    """A file whose JSON value, a list or an object with arbitrary keys, is `root`."""

    model_config = ConfigDict(frozen=True)


def read_model(file: Path, kind: type[ModelT], *, form: int = 1) -> ModelT:
    """Reads a JSON file as a model.

    Args:
        file: the JSON file.
        kind: class of the model.
        form: format that the model describes; a file without a format has format 1.

    Raises:
        UnreadableDocumentError: the file is missing, has another format, or does not fit the model.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        found = content.get(_FORMAT, 1) if isinstance(content, dict) else 1
        if found == form:
            return kind.model_validate(content)
    except OSError as error:
        raise UnreadableDocumentError(f"{file} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        message = f"{file} is damaged, or another release wrote it: {_reason(error)}"
        raise UnreadableDocumentError(message) from error
    raise UnreadableDocumentError(
        f"{file} has format {str(found)[:20]}, but this release reads format {form}; use the release that wrote it"
    )


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return first_problem(error)
    return str(error).partition("\n")[0][:200] or type(error).__name__
