"""`host:port` addresses."""

import ipaddress
import socket

ADDRESS = r"^[A-Za-z0-9.\-]+:[0-9]{1,5}$"
_SECONDS = 2.0


def is_this_machine(address: str) -> bool:
    """Whether the host is a loopback name or address of this machine."""
    host = host_of(address)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_of(address: str) -> str:
    """The part before the port."""
    return address.rpartition(":")[0]


def is_reachable(address: str) -> bool:
    """Whether something listens at the address."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_SECONDS).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A free port of the loopback interface."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
