"""Pusher: publishes blessed serving models where a server finds them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.base import Component, ExecutionContext
from components.pusher.params import PusherParams
from dataplane.artifacts import (
    Blessing,
    Catalogue,
    Evaluation,
    InfraBlessing,
    Model,
    PushedModel,
    ServingModel,
    TransformedExamples,
)
from dataplane.artifacts.blessing import Verdict
from dataplane.artifacts.infra_blessing import InfraVerdict
from dataplane.artifacts.pushed_model import Push
from dataplane.errors import RefusedError

if TYPE_CHECKING:
    from serving.published.published_versions import Publication
    from serving.published.publishing import Publisher


class Pusher(Component["Pusher.Inputs", "Pusher.Outputs", PusherParams]):
    """Publishes both serving models as one new version if the Evaluator and InfraValidator blessed them.

    A model that was rolled back (`python -m pipeline rollback`) is not published again: the rollback stands until there
    is a new model. If the published version of a model is damaged, the model is published again.

    Given an evaluation, a model and its data, the version has a model card: `assets.extra/model_card.json` and `.md`.
    """

    @dataclass(frozen=True)
    class Inputs:
        """The models to publish, both verdicts, and what the model card is made from.

        `catalogue` is that of a refreshed index.
        """

        serving_model: ServingModel
        blessing: Blessing
        infra_blessing: InfraBlessing
        evaluation: Evaluation | None = None
        model: Model | None = None
        transformed_examples: TransformedExamples | None = None
        catalogue: Catalogue | None = None

    @dataclass(frozen=True)
    class Outputs:
        """The record of the published version."""

        pushed_model: PushedModel

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """Writes `pushed.json`: version, both paths, identity, whether the version is new, and a message for the user.

        If the model was rolled back, version and identity are those of the model that is served instead.

        Raises:
            RefusedError: a blessing is missing, or the model is damaged; nothing was published.
            RunError: the directory cannot be written.
        """
        from dataplane.verdict import refusal
        from serving.published.publishing import Publisher

        verdict = Verdict.read(inputs.blessing)
        if not verdict.blessed:
            where = inputs.blessing.path / Verdict.FILE
            raise RefusedError(
                "\n".join([f"not published: the evaluation did not bless the model; see {where}", *refusal(verdict)])
            )
        if not InfraVerdict.read(inputs.infra_blessing).blessed:
            where = inputs.infra_blessing.path / InfraVerdict.FILE
            raise RefusedError(f"not published: infra validation did not bless the serving models; see {where}")
        exact, scann = inputs.serving_model.path / "exact", inputs.serving_model.path / "scann"
        publisher = Publisher(self.params.directory, self.params.name)
        card = self._card(inputs, context)
        published = publisher.publish(exact=exact, scann=scann, keep_versions=self.params.keep_versions, card=card)
        pushed = Push(
            version=published.version,
            exact=published.exact,
            scann=published.scann,
            new=published.new,
            withdrawn=published.withdrawn,
            identity=publisher.identity(published.version),
            told=_message(published),
        )
        pushed.write(outputs.pushed_model)
        if pushed.told:
            context.progress(pushed.told)
        self._carry_over(publisher, published.version, context)
        return pushed.model_dump(mode="json", exclude={"identity", "told"})

    def _carry_over(self, publisher: "Publisher", version: int, context: ExecutionContext) -> None:
        """Checks that changes of candidates since the version before are in the new one, or keeps them in force."""
        directory = publisher.versions_of.changes
        if directory is None or not directory.is_dir():
            return
        from models.saved_models.embeddings import exported_ids
        from serving.changes.carry_over import carry_over

        model, identity = publisher.fetch(version)[0], publisher.identity(version)
        if (carried := carry_over(directory, version, identity, lambda: exported_ids(model))) is not None:
            (context.warn if carried.added or carried.removed else context.progress)(str(carried))

    def _card(self, inputs: Inputs, context: ExecutionContext) -> dict[Path, bytes] | None:
        """Files of the model card; None if the Pusher was given nothing to make it from."""
        from components.pusher.card import make_card
        from components.pusher.card_facts import read_facts
        from components.pusher.card_markdown import markdown
        from serving.published.model_cards import CARD_JSON, CARD_MARKDOWN

        if inputs.evaluation is None or inputs.model is None or inputs.transformed_examples is None:
            return None
        facts = read_facts(
            self.params.name,
            self.params.card,
            serving_model=inputs.serving_model,
            blessing=inputs.blessing,
            evaluation=inputs.evaluation,
            model=inputs.model,
            transformed_examples=inputs.transformed_examples,
            catalogue=inputs.catalogue,
            warn=context.warn,
        )
        card = make_card(facts)
        return {CARD_JSON: card.json_text().encode(), CARD_MARKDOWN: markdown(card).encode()}

    def is_current(self, outputs: Outputs) -> bool:
        """Whether the newest version is the published one or a refresh of its index, and is undamaged."""
        from serving.published.publishing import Publisher

        publisher = Publisher(self.params.directory, self.params.name)
        newest = publisher.newest_complete()
        pushed = Push.read(outputs.pushed_model)
        if newest is None or not (newest.version == pushed.version or newest.refresh_of == pushed.identity):
            return False
        return not publisher.damage(newest.version)


def _message(published: "Publication") -> str:
    """The message for the user; "" if there is nothing to say."""
    version, damaged = published.version, "; ".join(published.notes)
    if published.withdrawn:
        made = f"the model that is served instead was published as version {version}"
        stands = f"version {version} is served instead; nothing was published"
        message = f"this model was rolled back: {made if published.new else stands}. "
        message += "`rollback` with the version of this model brings it back"
        return f"{damaged}; {message}" if damaged else message
    if not published.new:
        kept = ", and its model card stays as it is" if published.has_other_card else ""
        return f"version {version} is this model already; nothing was published{kept}"
    return f"{damaged}; the model was published again as version {version}" if damaged else ""
