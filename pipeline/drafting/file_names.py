"""What file names say: which files may belong to one table, and which split they are."""

import re
from collections.abc import Mapping

from dataplane.sources.config import Split
from dataplane.sources.partitions import is_partition

_SPLIT_WORDS: Mapping[str, Split] = {
    "train": "train", "training": "train", "valid": "validation", "validation": "validation", "val": "validation",
    "dev": "validation", "test": "test", "testing": "test", "holdout": "test", "eval": "test",
}  # fmt: skip


def split_of(name: str) -> Split | None:
    """The split that a file's name says, or the name of its directory; None if neither does."""
    parts = name.lower().split("/")[-2:]
    found = [_SPLIT_WORDS[word] for part in reversed(parts) for word in re.findall("[a-z]+", part.partition(".")[0])
             if word in _SPLIT_WORDS]  # fmt: skip
    return found[0] if found else None


def shape_of(name: str) -> str:
    """Common part of the names of a table's files: the name without digits, split words and partitions."""
    parts = [part for part in name.lower().split("/") if not is_partition(part)]
    words = re.findall(r"[a-z]+|[^a-z]+", "/".join(parts))
    kept = "".join(word for word in words if word not in _SPLIT_WORDS)
    return re.sub(r"([0-9a-f]{8,}|[0-9]+|[-_/.\s])+", "#", kept)
