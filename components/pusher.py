"""Pusher: publishes blessed serving models where a server picks them up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from components import storage
from components.artifacts import Artifact, Blessing, InfraBlessing, PushedModel, ServingModel
from components.base import Component, ExecutionContext, Params
from components.errors import RefusedError

if TYPE_CHECKING:
    from components.serving.published_versions import Publication


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
    `components/storage.py`); `serving/` under the root if absent."""
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


class Pusher(Component["Pusher.Inputs", "Pusher.Outputs", PusherParams]):
    """Publishes both serving models as one new version, if evaluation and infra validation blessed them.

    A model that was rolled back from (`python -m pipeline rollback`) is not published again: the rollback stands until
    there is a new model. One whose published version is damaged is published anew.
    """

    @dataclass(frozen=True)
    class Inputs:
        """What is published, and the verdicts on it."""

        serving_model: ServingModel
        blessing: Blessing
        infra_blessing: InfraBlessing

    @dataclass(frozen=True)
    class Outputs:
        """Where it was published."""

        pushed_model: PushedModel

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """Writes `pushed.json`: version, both paths, the identity, whether it is new, and what the user is `told`.

        The version and the identity are those of the model that stands, also where a rollback keeps this one out.

        Raises:
            RefusedError: a blessing is missing, or the model is damaged; nothing was published.
            RunError: the directory cannot be written.
        """
        from components.evaluation.verdict import refusal
        from components.serving.publishing import Publisher

        _require(inputs.blessing, "blessing.json", "the evaluation did not bless the model", refusal)
        _require(
            inputs.infra_blessing,
            "infra_blessing.json",
            "infra validation did not bless the serving models",
            lambda verdict: [],
        )
        exact, scann = inputs.serving_model.path / "exact", inputs.serving_model.path / "scann"
        publisher = Publisher(self.params.directory, self.params.name)
        published = publisher.publish(exact=exact, scann=scann, keep_versions=self.params.keep_versions)
        pushed = {
            "version": published.version,
            "exact": published.exact,
            "scann": published.scann,
            "new": published.new,
            "withdrawn": published.withdrawn,
            "identity": dict(publisher.identity(published.version)),
            "told": (told := _told(published)),
        }
        outputs.pushed_model.write_json("pushed.json", pushed)
        if told:
            context.progress(told)
        return {key: pushed[key] for key in ("version", "exact", "scann", "new", "withdrawn")}

    def is_current(self, outputs: Outputs) -> bool:
        """Whether what was published then, or a refresh of its index, is still the newest version, and whole."""
        from components.serving.publishing import Publisher

        publisher = Publisher(self.params.directory, self.params.name)
        newest = next((found for found in reversed(publisher.versions()) if found.complete), None)
        pushed = outputs.pushed_model.read_json("pushed.json")
        if newest is None or not (newest.version == pushed["version"] or newest.refresh_of == pushed["identity"]):
            return False
        return not publisher.damage(newest.version)


def _told(published: "Publication") -> str:
    version, damaged = published.version, "; ".join(published.notes)
    if published.withdrawn:
        made = f"what stands in its place is now version {version}"
        stands = f"version {version} stands; nothing was published"
        told = f"this model was rolled back from, {made if published.new else stands}. "
        told += "`rollback` with the version of this model brings it back"
        return f"{damaged}; {told}" if damaged else told
    if not published.new:
        return f"version {version} is this model already; nothing was published"
    return f"{damaged}; published anew as version {version}" if damaged else ""


def _require(verdict: Artifact, file: str, refusal: str, reasons: Callable[[Mapping[str, Any]], Sequence[str]]) -> None:
    found = verdict.read_json(file)
    if found["blessed"] is not True:
        raise RefusedError("\n".join([f"not published: {refusal}; see {verdict.path / file}", *reasons(found)]))
