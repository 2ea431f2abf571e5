"""Which processes serve, as the system tells."""

import psutil


def worker_ids(parent: int) -> set[int]:
    """Ids of the processes that a server has started, without those that have ended."""
    found = set()
    for child in psutil.Process(parent).children():
        try:
            if "spawn_main" in " ".join(child.cmdline()):
                found.add(child.pid)
        except psutil.NoSuchProcess:  # ended just now, or a zombie
            continue
    return found
