"""Gives labels to published versions, and takes them away."""

from dataplane.errors import ConfigError, RefusedError
from dataplane.errors.messages import quoted
from serving.published.labels import check_label
from serving.published.published_versions import PublishedVersions
from serving.published.versions import SCANN_SUFFIX


class Promoter(PublishedVersions):
    """Labels versions of one name in one directory.

    The label is written first, then `models.config`. After a kill between the two, the same command writes the rest.
    """

    def promote(self, version: int, label: str) -> int | None:
        """Gives a label to a version; returns the version that had the label before.

        Args:
            version: number of a complete version.
            label: the label.

        Raises:
            ConfigError: there is no such version, or the label is not allowed.
            RefusedError: the version is damaged, or was removed meanwhile.
            RunError: the directory cannot be written.
        """
        check_label(label)
        with self.versions_of.publishing():
            self.complete(version, self.versions())
            before = self.versions_of.labels().get(label)
            self.versions_of.set_label(label, version)
            if any(version not in self.versions_of.numbers(model) for model in self.models):
                # In an object store another process may remove versions between the check and the label.
                self.versions_of.set_label(label, before)
                raise RefusedError(f"{self.name}: version {version} was removed meanwhile; promote another")
            self.versions_of.tidy(self.models, suffix=SCANN_SUFFIX)
        return before

    def withdraw(self, label: str) -> int:
        """Takes a label away; returns the version that had the label.

        Raises:
            ConfigError: no version has the label.
            RunError: the directory cannot be written.
        """
        with self.versions_of.publishing():
            labels = self.versions_of.labels()
            if label not in labels:
                there = ", ".join(labels) or "none"
                raise ConfigError(f"{self.name}: no version has the label {quoted(label)}; labels there are: {there}")
            self.versions_of.set_label(label, None)
            self.versions_of.tidy(self.models, suffix=SCANN_SUFFIX)
        return labels[label]
