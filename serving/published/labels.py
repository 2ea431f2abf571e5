"""Labels of published versions, such as `stable` and `canary`, by which requests name a version.

    DIRECTORY/.NAME/labels/LABEL    the number of the version that has the label, one file for each label

A label belongs to both models of a pair. Each label has a file of its own, so that two writers of different labels
never overwrite each other, in an object store either, which has no locks. Retention keeps labelled versions.
"""

import re
from collections.abc import Mapping

from dataplane.errors import ConfigError
from dataplane.errors.messages import quoted

DEFAULT_LABEL = "stable"
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")


def check_label(label: str) -> str:
    """Returns a label that may be given.

    Raises:
        ConfigError: the name is not allowed; it becomes a part of paths and of metrics.
    """
    if not is_label(label):
        raise ConfigError(
            f"label {quoted(label)}: a label has up to 63 letters, digits, - and _, and starts with a letter"
        )
    return label


def is_label(name: str) -> bool:
    """Whether a file's name is a label; temporary files have other names."""
    return _LABEL.fullmatch(name) is not None


def parsed_labels(files: Mapping[str, bytes]) -> dict[str, int]:
    """The version of each label, given the content of each file; a file without a number is no label."""
    return {
        name: int(content) for name, content in sorted(files.items()) if is_label(name) and content.strip().isdigit()
    }


def labels_by_version(labels: Mapping[str, int]) -> dict[int, list[str]]:
    """The labels of each version that has any."""
    found: dict[int, list[str]] = {}
    for label, version in labels.items():
        found.setdefault(version, []).append(label)
    return found
