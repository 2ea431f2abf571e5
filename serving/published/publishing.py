"""Publishes serving models in TensorFlow Serving's layout, as pairs with increasing version numbers.

    DIRECTORY/NAME/VERSION/         the exact model
    DIRECTORY/NAME-scann/VERSION/   the ScaNN model of the same version
    DIRECTORY/.NAME/                locks and notes of publishers, and labels (`labels`)
    DIRECTORY/models.config         TensorFlow Serving's configuration for all models in DIRECTORY

DIRECTORY is a local directory (`local_versions`) or in an object store (`object_versions`). A version of one model
appears at once, a pair in two steps. A process that is killed between the two leaves half a pair. The next push of the
same identity completes the pair under the same version.

A rollback publishes the content of an old version as a new version. Its `assets.extra/rollback.json` has `of` (the old
version), `published` (the moment) and `withdrawn` (identities of the models that were rolled back). A push never
publishes a withdrawn model: the rollback stands until there is a new model, or another rollback. During a rollback a
note exists. If the rollback is killed, the same command completes it and does not go back further.

A refreshed index (`refresh_of` in its description) is published only while the newest version is the model that it
refreshes, or another refresh of that model. The index keeps the record of that version: withdrawn models remain
withdrawn.

Every version has digests of its files (`version_digests`). Damaged files are never copied. If the newest version is
damaged, its model is published again as a new version. No existing version is ever written to.

A push adds the files of a model card to both models of a new version. A rollback copies the card with the model. When
half a pair is completed, its other half gets the card of the first.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dataplane.artifacts.identity import Identity
from dataplane.errors import ConfigError, RefusedError, RunError
from dataplane.files.digests import shortened
from serving.model.descriptions import read_description, read_identity
from serving.model.version_digests import (
    DIGESTS,
    PROMISE,
    ROLLBACK,
    check_version,
    digests_with,
    has_digests,
)
from serving.published.labels import labels_by_version
from serving.published.model_cards import CARD_FILES
from serving.published.published_versions import Publication, PublishedVersions, parsed_object
from serving.published.rollbacks import (
    PublishedVersion,
    RollbackRecord,
    is_same_model,
    is_withdrawn,
    rollback_targets,
    withdrawn_by,
    withdrawn_versions,
)
from serving.published.versions import SCANN_SUFFIX


class Publisher(PublishedVersions):
    """Publishes versions of one name in one directory."""

    def publish(
        self, *, exact: Path, scann: Path, keep_versions: int, card: Mapping[Path, bytes] | None = None
    ) -> Publication:
        """Publishes a pair of SavedModels as the newest version, unless the newest version is this pair, undamaged.

        Args:
            exact: SavedModel directory to copy to NAME.
            scann: SavedModel directory to copy to NAME-scann.
            keep_versions: number of newest versions to keep, including this one.
            card: content of `model_cards.CARD_FILES`, which a new version gets.

        Raises:
            RunError: the identities of the two models differ, or the directory cannot be written.
            RefusedError: a model is damaged; or the pair is a refreshed index, and the model that it refreshes is no
                longer the newest; or the pair was rolled back, and the version that is served instead is damaged and
                no undamaged copy of it is left.
        """
        _refuse_damaged(exact, scann)
        description = read_description(exact)
        identity, refresh_of = description.identity, description.refresh_of
        if identity != read_identity(scann):
            raise RunError(f"{exact} and {scann} were not exported together: their identities differ; index again")
        source = {self.models[0]: exact, self.models[1]: scann}.__getitem__
        with self.versions_of.publishing():
            versions = self.versions()
            if refresh_of is not None:
                self._check_is_newest(refresh_of, versions)
            record = versions[-1].rollback if versions else None
            if is_withdrawn(identity, record):
                return replace(self._keep(versions, keep_versions), withdrawn=True)
            return self._publish(source, identity, versions, keep_versions, record if refresh_of else None, card)

    def rollback(self, version: int | None, *, keep_versions: int) -> Publication:
        """Publishes the content of an older version as the newest version; completes a rollback that was killed.

        Args:
            version: the older version; None for the newest undamaged version with another model that no later rollback
                withdrew.
            keep_versions: number of newest versions to keep, including the new one.

        Raises:
            ConfigError: there is no such version.
            RefusedError: the version is damaged.
            RunError: the directory cannot be written.
        """
        with self.versions_of.publishing():
            versions = self.versions()
            if self._is_interrupted(versions, version):
                published = self._keep(versions, keep_versions)
                notes = [f"the interrupted rollback is now complete: version {published.version}"]
            else:
                target, notes = self._target(version, versions)
                published = self._publish_again(target, versions, keep_versions)
            self.versions_of.leave_note(None)  # last, when all changes are done
            return replace(published, notes=(*notes, *published.notes, *self._labelled_although_withdrawn()))

    def _publish(
        self,
        source: Callable[[str], Path],
        identity: Identity,
        versions: Sequence[PublishedVersion],
        keep_versions: int,
        record: RollbackRecord | None,
        card: Mapping[Path, bytes | None] | None = None,
    ) -> Publication:
        last = versions[-1] if versions else None
        is_same = last is not None and last.identity == identity
        is_refresh = last is not None and last.refresh_of == identity
        damage = self.damage(last.version) if last and (is_same or is_refresh or last.identity is None) else []
        if last and is_same and not damage:
            version, record = last.version, last.rollback
            missing = [model for model in self.models if version not in self.versions_of.numbers(model)]
            own = self._card(version, next(model for model in self.models if model not in missing))
        else:
            own = dict(card or {})
            version, missing = self.versions_of.new_number(self.models), list(self.models)
            record = record or (last.rollback if last and is_same_model(last.identity, identity) else None)
        self._copy({model: source(model) for model in missing}, version, record, own)
        self._retain(keep_versions)
        self.versions_of.tidy(self.models, suffix=SCANN_SUFFIX)
        refreshed = ", with its refreshed index: run `refresh-index` again" if is_refresh else ""
        notes = (f"version {last.version} is damaged ({shortened(damage)}){refreshed}",) if last and damage else ()
        published = self._publication(version, new=bool(missing), notes=notes)
        return replace(published, has_other_card=bool(card) and card != own)

    def _card(self, version: int, model: str) -> dict[Path, bytes | None]:
        """The model card of a published model."""
        return {file: self.versions_of.read(model, version, file) for file in CARD_FILES}

    def _copy(
        self,
        sources: Mapping[str, Path],
        version: int,
        record: RollbackRecord | None,
        card: Mapping[Path, bytes | None],
    ) -> None:
        content = None if record is None else _content(record)
        for model, source in sources.items():
            extra = {ROLLBACK: content, **card}
            if content is not None or has_digests(source):
                extra[DIGESTS] = digests_with(source, extra)
            self.versions_of.stage(model, version, source, extra)
        for model in sources:
            self.versions_of.reveal(model, version)

    def _retain(self, keep_versions: int) -> None:
        labelled = {*self.versions_of.labels().values()}
        for model in self.models:
            for version in sorted(self.versions_of.numbers(model))[:-keep_versions]:
                if version not in labelled:
                    self.versions_of.remove(model, version)

    def _publish_again(
        self, target: PublishedVersion, versions: Sequence[PublishedVersion], keep_versions: int
    ) -> Publication:
        self.versions_of.leave_note(json.dumps({"from": versions[-1].version, "of": target.version}).encode())
        record = RollbackRecord(
            of=target.version,
            published=datetime.now(UTC).isoformat(timespec="seconds"),
            withdrawn=tuple(withdrawn_by(versions, target)),
        )
        assert target.identity is not None
        return self._publish(self._source(target.version), target.identity, versions, keep_versions, record)

    def _is_interrupted(self, versions: Sequence[PublishedVersion], version: int | None) -> bool:
        """Whether the newest version comes from this rollback, which was killed before it removed its note."""
        if not versions or versions[-1].rollback is None or version not in (None, versions[-1].rollback.of):
            return False
        last, record = versions[-1], versions[-1].rollback
        if not last.complete:  # half a pair; refresh-index, not a rollback, completes that of a refreshed index
            return any(found.version == record.of and found.identity == last.identity for found in versions)
        note = parsed_object(self.versions_of.note()) or {}
        return note.get("of") == record.of and note.get("from") != last.version

    def _keep(self, versions: Sequence[PublishedVersion], keep_versions: int) -> Publication:
        """Keeps the newest version, which a rollback published; publishes it again if it is damaged or half a pair."""
        last = versions[-1]
        others = (found for found in reversed(versions) if found is not last and found.complete)
        same = [found.version for found in others if found.identity and found.identity == last.identity]

        def source(model: str) -> Path:
            whole = next((version for version in same if not self.damage(version)), None)
            if whole is None:
                raise RefusedError(
                    f"{self.name}: version {last.version}, which a rollback published, is damaged or incomplete, and "
                    f"no other version in {self.directory} has its model; `rollback` to another VERSION that "
                    "`versions --check` finds whole"
                )
            return self.versions_of.fetch(model, whole)

        return self._publish(source, last.identity or {}, versions, keep_versions, last.rollback)

    def _target(self, version: int | None, versions: Sequence[PublishedVersion]) -> tuple[PublishedVersion, list[str]]:
        return self._newest_older(versions) if version is None else (self.complete(version, versions), [])

    def _labelled_although_withdrawn(self) -> list[str]:
        """A note for each version with a label whose model a rollback withdrew: the label stays."""
        labels = labels_by_version(self.versions_of.labels())
        return [
            f"version {version} was rolled back and still has the label {', '.join(labels[version])}: `promote` another"
            for version in (withdrawn_versions(self.versions()) if labels else ())
            if version in labels
        ]

    def _newest_older(self, versions: Sequence[PublishedVersion]) -> tuple[PublishedVersion, list[str]]:
        """The version that a rollback without a VERSION publishes, and a note for each damaged version it skips."""
        skipped: list[str] = []
        for found in rollback_targets(versions):
            damage = self.damage(found.version)
            if not damage:
                return found, skipped
            skipped.append(f"version {found.version} is damaged ({shortened(damage)}) and was skipped")
        if skipped:
            raise RefusedError(
                f"{self.name}: no whole version to go back to in {self.directory}: {'; '.join(skipped)}; run the "
                "pipeline with the configuration of an older model, which publishes that model"
            )
        withdrawn = ", ".join(map(str, withdrawn_versions(versions)))
        hint = f"; to serve a model again that was rolled back, name its version: {withdrawn}" if withdrawn else ""
        raise ConfigError(f"{self.name}: no version in {self.directory} has an older model to go back to{hint}")

    def _check_is_newest(self, refreshed: Identity, versions: Sequence[PublishedVersion]) -> None:
        if not versions or (versions[-1].refresh_of or versions[-1].identity) != refreshed:
            raise RefusedError(
                f"the model whose index was refreshed is no longer the newest in {self.directory}; refresh again"
            )


def _content(record: RollbackRecord) -> bytes:
    return (json.dumps({**record.model_dump(mode="json", exclude_unset=True), **PROMISE}, indent=2) + "\n").encode()


def _refuse_damaged(*models: Path) -> None:
    damage = [f"{model.name}/{text}" for model in models for text in check_version(model)]
    if damage:
        raise RefusedError(
            f"not published: the exported model is damaged: {shortened(damage)}; remove {models[0].parent} and run "
            "the same command again, which exports the model again"
        )
