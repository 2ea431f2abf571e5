"""Parameters of Pusher."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from components.base import Params
from components.pusher.card_params import ModelCardConfig
from dataplane.files import storage


def _location(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str):
        storage.check_uri(value)
    return value


Location = Annotated[str, BeforeValidator(_location)]
"""A local path, or a URI in an object store."""


class PushConfig(Params):
    """Where models are published: section `serving.push`."""

    directory: Location | None = None
    """Directory of published models, `serving/` under the root by default: a local directory, gs://BUCKET/… or
    s3://BUCKET/…. Pusher makes the folders NAME (exact model) and NAME-scann (ScaNN model) there, each with one folder
    per version (TensorFlow Serving's layout). Credentials come from the environment (see
    `dataplane/files/storage.py`)."""
    keep_versions: int = Field(default=5, ge=1)
    """Number of newest versions to keep; older versions are removed after a push."""


class PusherParams(Params):
    """Parameters of Pusher."""

    directory: Location
    """Directory or URI that holds the folders of the two models."""
    keep_versions: int = Field(default=5, ge=1)
    """Number of newest versions to keep."""
    card: ModelCardConfig = ModelCardConfig()
    """What the owner adds to the model card."""
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Name of the exact model; the name of the ScaNN model is the same with `-scann` appended."""

    @field_validator("name")
    @classmethod
    def _leave_the_suffix_free(cls, name: str) -> str:
        if name.endswith("-scann"):
            raise ValueError("a name must not end in '-scann': this ending is reserved for the ScaNN model")
        return name
