"""What happens to a file on a bad disk, in a copy that was interrupted, or under somebody's hands."""

from collections.abc import Callable
from pathlib import Path


def flip(file: Path) -> None:
    """Flips one bit in the middle."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    """Removes the second half."""
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


DAMAGES: dict[str, Callable[[Path], None]] = {"flip": flip, "cut": cut, "delete": Path.unlink}
