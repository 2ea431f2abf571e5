"""What configures Pusher."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from components.base import Params
from dataplane.files import storage

if TYPE_CHECKING:
    pass


def _location(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str):
        storage.check_uri(value)
    return value


Location = Annotated[str, BeforeValidator(_location)]
"""A local path, or a URI in an object store."""


class PushConfig(Params):
    """Where models are published; section `serving.push`."""

    directory: Location | None = None
    """Each model gets a folder NAME (exact) and NAME-scann here, a version in each (TensorFlow Serving's layout).
    A local directory, gs://BUCKET/… or s3://BUCKET/…, with credentials from the environment (see
    `dataplane/files/storage.py`); `serving/` under the root if absent."""
    keep_versions: int = Field(default=5, ge=1)
    """Newest versions that stay; older ones are removed after a push."""


class PusherParams(Params):
    """Parameters of Pusher."""

    directory: Location
    """Where the folders of the two models are: a local directory or a URI."""
    keep_versions: int = Field(default=5, ge=1)
    """Newest versions that stay."""
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Name the exact model is served under; the ScaNN model's has `-scann` added."""

    @field_validator("name")
    @classmethod
    def _leave_the_suffix_free(cls, name: str) -> str:
        if name.endswith("-scann"):
            raise ValueError("a name must not end in '-scann': that is added for the ScaNN model")
        return name
