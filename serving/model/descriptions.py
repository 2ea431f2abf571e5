"""The description of a serving model, `assets.extra/model.json` in its SavedModel; readers need no TensorFlow."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, ValidationError

from dataplane.artifacts.document import JsonValue, Part
from dataplane.artifacts.identity import Identity
from dataplane.errors import RunError
from dataplane.errors.messages import first_problem
from models.spec.features import FeatureSpec
from models.spec.selection import FilterKind

SIGNATURE = "serving_default"
DESCRIPTION = Path("assets.extra") / "model.json"
"""Where the description is in a SavedModel."""
CONTENT = "content:"
"""Prefix of digests of weights, vocabularies and configuration; digests of older releases are of files."""


class InputSpec(Part):
    """One input of a signature."""

    dtype: Literal["string", "float32", "float64", "int64"]
    shape: Annotated[tuple[int | None, ...], Field(min_length=1, max_length=2)]
    """`[batch]` or `[batch, width]`; None for any size."""


Inputs: TypeAlias = Mapping[str, InputSpec]
"""The inputs of a signature by name."""


class Signature(Part):
    """One of the ways to ask a model."""

    inputs: Inputs


class FittedTo(Part):
    """The events that a model was fitted to."""

    split: Mapping[str, JsonValue] | None = None
    seed: int | None = None
    """Seed of the split."""
    final: bool | None = None
    """Whether the model was finally fitted to all events."""
    until: str | None = None
    """Moment of the last event, ISO 8601; None without timestamps."""


class ModelDescription(Part):
    """Content of `model.json`. Fields with a default are absent in files of some older releases."""

    identity: Identity
    """Identity that both models of a pair share."""
    refresh_of: Identity | None = None
    """Identity of the model whose index was refreshed; None if this model was trained."""
    top_k: int = 0
    """Number of candidates in the answer to a request."""
    remove_seen: bool = False
    """Whether candidates in a request's history are left out of its answers."""
    libraries: Mapping[str, str] = {}
    """Versions of the libraries that exported the model."""
    data: FittedTo | None = None
    digests: str = ""
    """File with the digests of the model's other files; see `serving.model.version_digests`."""
    features: Mapping[str, JsonValue] = {}
    """Features that the inputs come from; see `feature_spec`."""
    signatures: Mapping[str, Signature] = {}
    filters: Mapping[str, FilterKind] = {}
    """Kind of each filter of `recommend_where` and `similar_where` by name."""
    filter_columns: Mapping[str, str] = {}
    """Column of the candidate table that a filter reads, where it has another name than the filter."""
    imports: tuple[Literal["scann"], ...] = ()
    """Python modules to import before the model is loaded. A description comes with its model and may be hostile, so
    only ScaNN is allowed."""

    def feature_spec(self) -> FeatureSpec:
        """The features that the inputs come from.

        Raises:
            ValueError: another release wrote settings that this release does not know.
        """
        return FeatureSpec.model_validate(self.features)

    def inputs(self, signature: str = SIGNATURE) -> Inputs:
        """The inputs of a signature.

        Raises:
            RunError: the model does not have the signature.
        """
        if signature not in self.signatures:
            known = ", ".join(self.signatures) or "none"
            raise RunError(f"the model has no signature '{signature}', only {known}; export it again")
        return self.signatures[signature].inputs


def read_description(model: Path) -> ModelDescription:
    """Reads the description of a serving model.

    Raises:
        RunError: the file is missing, or is not a description.
    """
    try:
        return ModelDescription.model_validate(json.loads((model / DESCRIPTION).read_text(encoding="utf-8")))
    except ValidationError as error:
        problem = f"{DESCRIPTION.name}: {first_problem(error)}"
        raise RunError(f"{model} is not a serving model of this pipeline: {problem}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{model} is not a serving model of this pipeline: {error}") from error


def write_description(model: Path, description: ModelDescription) -> None:
    """Writes a description into a SavedModel; `read_description` returns it."""
    file = model / DESCRIPTION
    file.parent.mkdir(exist_ok=True)
    content = description.model_dump(mode="json", exclude_unset=True)
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    file.write_text(text + "\n", encoding="utf-8")


def read_identity(model: Path) -> Identity:
    """Reads the identity that both models of a pair share.

    Raises:
        RunError: the file is missing, or is not a description.
    """
    return read_description(model).identity


def directory_digest(directory: Path) -> str:
    """SHA-256 over the names and contents of all files below a directory.

    `fingerprint.pb` is left out, because it has a random number.
    """
    digest = hashlib.sha256()
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != "fingerprint.pb")
    for path in files:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(directory).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()
