"""How far a Beam pipeline is, on every runner: the parts that are done are those whose files have been written."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from models.spec.progress import Advanced, Progress

_SECONDS_BETWEEN_LOOKS = 0.5


@contextmanager
def watched(progress: Progress, parts: Mapping[Path, int], unit: str) -> Iterator[None]:
    """Reports how much is done while the block runs; nothing is reported where a single part leaves nothing to tell.

    Args:
        progress: told from a thread of its own.
        parts: number of units of each part, by the file that is written when the part is done.
        unit: what is counted, such as "rows".
    """
    total = sum(parts.values())
    if len(parts) < 2 or not total:
        yield
        return
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(_SECONDS_BETWEEN_LOOKS):
            progress(Advanced(_done(parts), total, unit))

    progress(Advanced(0, total, unit))
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    progress(Advanced(total, total, unit))


def _done(parts: Mapping[Path, int]) -> int:
    written: set[Path] = set()
    for directory in {file.parent for file in parts}:
        with suppress(OSError):  # not made yet
            written |= {directory / name for name in os.listdir(directory)}  # noqa: PTH208 (names, not paths, are cheap)
    return sum(size for file, size in parts.items() if file in written)
