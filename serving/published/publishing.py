"""Publishing serving models in TensorFlow Serving's layout: versions that appear whole, in pairs, ever increasing.

    DIRECTORY/NAME/VERSION/         the exact model
    DIRECTORY/NAME-scann/VERSION/   the ScaNN model of the same version
    DIRECTORY/.NAME/                what publishers need among themselves
    DIRECTORY/models.config         for TensorFlow Serving: all models in DIRECTORY

DIRECTORY is a local one (`local_versions`) or in an object store (`object_versions`). A version of a model appears at
once, a pair in two steps: a process killed between them leaves one half, and the next push of the same identity
completes it under the same version.

A rollback publishes the content of an old version as a new one, whose `assets.extra/rollback.json` tells `of` (the old
version), `published` (when) and `withdrawn` (identities of the models that were rolled back from). Those are not
published again by a push: a rollback stands until there is a new model, or another rollback. While a rollback is under
way a note says so: repeated after it was killed it is completed, and does not go back further.

A refreshed index (`refresh_of` in its description) is published only while the model it refreshes is the newest, or
another refresh of it. It stands for that model: what a rollback withdrew remains withdrawn.

Every version has digests of its files (`version_digests`). What is damaged is not copied. A newest version that is
damaged is published anew, as a new version; a version that is there is never written to.
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
from serving.published.published_versions import Publication, PublishedVersions, parsed_object
from serving.published.rollbacks import (
    PublishedVersion,
    RollbackRecord,
    is_same_model,
    is_withdrawn,
    rolled_back_from,
    to_go_back_to,
    withdrawn_by,
)
from serving.published.versions import SCANN_SUFFIX


class Publisher(PublishedVersions):
    """Publishes versions of one name in one directory."""

    def publish(self, *, exact: Path, scann: Path, keep_versions: int) -> Publication:
        """Publishes a pair of SavedModels as the newest version, unless it is the newest already, and whole.

        Args:
            exact: SavedModel directory to be copied to NAME.
            scann: SavedModel directory to be copied to NAME-scann.
            keep_versions: newest versions that stay, this one included.

        Raises:
            RunError: the two do not have the same identity, or the directory cannot be written.
            RefusedError: one of them is damaged; it is a refreshed index, and the model it refreshes is not the newest
                any more; or it was rolled back from, and what stands in its place is damaged and nowhere whole.
        """
        _refuse_damaged(exact, scann)
        description = read_description(exact)
        identity, refresh_of = description.identity, description.refresh_of
        if identity != read_identity(scann):
            raise RunError(f"{exact} and {scann} were not exported together: their identities differ; index again")
        source = {self.models[0]: exact, self.models[1]: scann}.__getitem__
        with self.versions_of.publishing():
            there = self.versions()
            if refresh_of is not None:
                self._check_is_newest(refresh_of, there)
            record = there[-1].rollback if there else None
            if is_withdrawn(identity, record):
                return replace(self._keep(there, keep_versions), withdrawn=True)
            return self._publish(source, identity, there, keep_versions, record if refresh_of else None)

    def rollback(self, version: int | None, *, keep_versions: int) -> Publication:
        """Publishes the content of an older version as the newest one, unless it is that already.

        Args:
            version: the older version; if None the newest whole one whose model is another one and was not rolled back
                from since, or that of a rollback that was killed.
            keep_versions: newest versions that stay, the one made here included.

        Raises:
            ConfigError: there is no such version.
            RefusedError: it is damaged.
            RunError: the directory cannot be written.
        """
        with self.versions_of.publishing():
            there = self.versions()
            if self._is_interrupted(there, version):
                published = self._keep(there, keep_versions)
                notes = [f"the rollback that was interrupted is complete: version {published.version}"]
            else:
                target, notes = self._newest_older(there) if version is None else (self._named(version, there), [])
                published = self._publish_again(target, there, keep_versions)
            self.versions_of.leave_note(None)  # nothing is changed after this
            return replace(published, notes=(*notes, *published.notes))

    def _publish(
        self,
        source: Callable[[str], Path],
        identity: Identity,
        there: Sequence[PublishedVersion],
        keep_versions: int,
        record: RollbackRecord | None,
    ) -> Publication:
        last = there[-1] if there else None
        is_same = last is not None and last.identity == identity
        is_refresh = last is not None and last.refresh_of == identity
        damage = self.damage(last.version) if last and (is_same or is_refresh or last.identity is None) else []
        if last and is_same and not damage:
            version, record = last.version, last.rollback
            missing = [model for model in self.models if version not in self.versions_of.numbers(model)]
        else:
            version, missing = self.versions_of.new_number(self.models), list(self.models)
            record = record or (last.rollback if last and is_same_model(last.identity, identity) else None)
        self._copy({model: source(model) for model in missing}, version, record)
        self._retain(keep_versions)
        self.versions_of.tidy(self.models, suffix=SCANN_SUFFIX)
        refreshed = ", with its refreshed index: give `refresh-index` again" if is_refresh else ""
        notes = (f"version {last.version} is damaged ({shortened(damage)}){refreshed}",) if last and damage else ()
        return self._publication(version, new=bool(missing), notes=notes)

    def _copy(self, sources: Mapping[str, Path], version: int, record: RollbackRecord | None) -> None:
        content = None if record is None else _content(record)
        for model, source in sources.items():
            extra = {ROLLBACK: content}
            if content is not None or has_digests(source):
                extra[DIGESTS] = digests_with(source, extra)
            self.versions_of.stage(model, version, source, extra)
        for model in sources:
            self.versions_of.reveal(model, version)

    def _retain(self, keep_versions: int) -> None:
        for model in self.models:
            for version in sorted(self.versions_of.numbers(model))[:-keep_versions]:
                self.versions_of.remove(model, version)

    def _publish_again(
        self, target: PublishedVersion, there: Sequence[PublishedVersion], keep_versions: int
    ) -> Publication:
        self.versions_of.leave_note(json.dumps({"from": there[-1].version, "of": target.version}).encode())
        record = RollbackRecord(
            of=target.version,
            published=datetime.now(UTC).isoformat(timespec="seconds"),
            withdrawn=tuple(withdrawn_by(there, target)),
        )
        assert target.identity is not None
        return self._publish(self._source(target.version), target.identity, there, keep_versions, record)

    def _is_interrupted(self, there: Sequence[PublishedVersion], version: int | None) -> bool:
        """Whether the newest version is what this rollback published before it was killed, in part or to its end."""
        if not there or there[-1].rollback is None or version not in (None, there[-1].rollback.of):
            return False
        last, record = there[-1], there[-1].rollback
        if not last.complete:  # the other half of a refreshed index is for refresh-index to publish
            return any(found.version == record.of and found.identity == last.identity for found in there)
        note = parsed_object(self.versions_of.note()) or {}
        return note.get("of") == record.of and note.get("from") != last.version

    def _keep(self, there: Sequence[PublishedVersion], keep_versions: int) -> Publication:
        """Lets the newest version stand, which a rollback published; one that is not whole is made so from another."""
        last = there[-1]
        others = (found for found in reversed(there) if found is not last and found.complete)
        same = [found.version for found in others if found.identity and found.identity == last.identity]

        def source(model: str) -> Path:
            whole = next((version for version in same if not self.damage(version)), None)
            if whole is None:
                raise RefusedError(
                    f"{self.name}: version {last.version}, which a rollback published, is not whole, and no other "
                    f"version in {self.directory} holds its model; `rollback` to another VERSION that `versions "
                    "--check` finds whole"
                )
            return self.versions_of.fetch(model, whole)

        return self._publish(source, last.identity or {}, there, keep_versions, last.rollback)

    def _named(self, version: int, there: Sequence[PublishedVersion]) -> PublishedVersion:
        complete = {found.version: found for found in there if found.complete}
        damage = self.damage(version) if version in complete else []
        if damage:
            raise RefusedError(
                f"{self.name}: version {version} is damaged: {shortened(damage)}; `versions --check` tells which "
                "others are whole"
            )
        if version not in complete or complete[version].identity is None:
            listed = ", ".join(str(found.version) for found in complete.values() if found.identity) or "none"
            raise ConfigError(f"{self.name}: no complete version {version} in {self.directory}, only {listed}")
        return complete[version]

    def _newest_older(self, there: Sequence[PublishedVersion]) -> tuple[PublishedVersion, list[str]]:
        """What to go back to, and which damaged versions were passed over."""
        passed: list[str] = []
        for found in to_go_back_to(there):
            damage = self.damage(found.version)
            if not damage:
                return found, passed
            passed.append(f"version {found.version} is damaged ({shortened(damage)}), it was passed over")
        if passed:
            raise RefusedError(
                f"{self.name}: no whole version to go back to in {self.directory}: {'; '.join(passed)}; run the "
                "pipeline with the configuration of an older model, which publishes it"
            )
        withdrawn = ", ".join(map(str, rolled_back_from(there)))
        hint = f"; name one that was rolled back from to serve it again: {withdrawn}" if withdrawn else ""
        raise ConfigError(f"{self.name}: no version in {self.directory} holds an older model to go back to{hint}")

    def _check_is_newest(self, refreshed: Identity, there: Sequence[PublishedVersion]) -> None:
        if not there or (there[-1].refresh_of or there[-1].identity) != refreshed:
            raise RefusedError(
                f"the model whose index was refreshed is not the newest in {self.directory} any more; refresh again"
            )


def _content(record: RollbackRecord) -> bytes:
    return (json.dumps({**record.model_dump(mode="json", exclude_unset=True), **PROMISE}, indent=2) + "\n").encode()


def _refuse_damaged(*models: Path) -> None:
    damage = [f"{model.name}/{text}" for model in models for text in check_version(model)]
    if damage:
        raise RefusedError(
            f"not published: the exported model is damaged: {shortened(damage)}; remove {models[0].parent} and give "
            "the same command again, which exports the model anew"
        )
