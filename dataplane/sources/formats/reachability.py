"""Checks within seconds whether a server answers, because retries would take minutes."""

import queue
import socket
import threading
import urllib.request
from urllib.parse import urlsplit

_SECONDS = 5.0
_PORTS = {"http": 80, "https": 443, "ftp": 21}


def require_reachable(url: str, *, seconds: float = _SECONDS) -> None:
    """Connects once to the server of a URL, or to its proxy, and sends nothing.

    Raises:
        ConnectionError: the server does not answer within `seconds`.
    """
    host, port = _first_hop(url)
    if port is None:
        return
    outcome: queue.SimpleQueue[str] = queue.SimpleQueue()

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=seconds).close()
            outcome.put("")
        except OSError as error:
            outcome.put(error.strerror or str(error))

    # Name resolution has no timeout, so it runs in a daemon thread.
    threading.Thread(target=connect, daemon=True).start()
    try:
        reason = outcome.get(timeout=seconds)
    except queue.Empty:
        reason = f"no answer in {seconds:g} s"
    if reason:
        raise ConnectionError(f"{host}:{port} cannot be reached: {reason}")


def _first_hop(url: str) -> tuple[str, int | None]:
    """Host and port of the first connection; no port for an unknown scheme."""
    server = urlsplit(url)
    proxy = urllib.request.getproxies().get(server.scheme)
    if proxy and server.hostname and not urllib.request.proxy_bypass(server.hostname):
        server = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return server.hostname or "", server.port or _PORTS.get(server.scheme)
