"""Parameters of Pusher."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from components.base import Params
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
    """Directory of published models, `serving/` under the root by default. It gets the folders NAME (exact model) and
    NAME-scann (ScaNN model), with one folder per version in each (TensorFlow Serving's layout). It is a local
    directory, gs://BUCKET/… or s3://BUCKET/…; credentials come from the environment (see
    `dataplane/files/storage.py`)."""
    keep_versions: int = Field(default=5, ge=1)
    """How many of the newest versions are kept; older ones are removed after a push."""


class PusherParams(Params):
    """Parameters of Pusher."""

    directory: Location
    """Directory or URI that holds the folders of the two models."""
    keep_versions: int = Field(default=5, ge=1)
    """How many of the newest versions are kept."""
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Name under which the exact model is served; the ScaNN model's name has `-scann` appended."""

    @field_validator("name")
    @classmethod
    def _leave_the_suffix_free(cls, name: str) -> str:
        if name.endswith("-scann"):
            raise ValueError("a name must not end in '-scann': this suffix is reserved for the ScaNN model")
        return name
