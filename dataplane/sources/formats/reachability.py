"""Whether a server can be reached at all, told within seconds: retries would go on for minutes."""

import queue
import socket
import threading
import urllib.request
from urllib.parse import urlsplit

_SECONDS = 5.0
_PORTS = {"http": 80, "https": 443, "ftp": 21}


def require_reachable(url: str, *, seconds: float = _SECONDS) -> None:
    """Connects once to the server of a URL, or to the proxy that is set for it; sends nothing.

    Raises:
        ConnectionError: nothing answers there in time.
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

    # Looking up a name knows no timeout, hence a thread that nobody waits for.
    threading.Thread(target=connect, daemon=True).start()
    try:
        reason = outcome.get(timeout=seconds)
    except queue.Empty:
        reason = f"no answer in {seconds:g} s"
    if reason:
        raise ConnectionError(f"{host}:{port} cannot be reached: {reason}")


def _first_hop(url: str) -> tuple[str, int | None]:
    """Host and port to connect to; no port where it is not known how to."""
    asked = urlsplit(url)
    proxy = urllib.request.getproxies().get(asked.scheme)
    if proxy and asked.hostname and not urllib.request.proxy_bypass(asked.hostname):
        asked = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return asked.hostname or "", asked.port or _PORTS.get(asked.scheme)
