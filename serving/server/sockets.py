"""Ports that several processes of a server share."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from dataplane.errors import RunError


@contextmanager
def reserved_ports(host: str, ports: Sequence[int]) -> Iterator[list[int]]:
    """Keeps ports for several processes, so that no other server takes them, and yields their numbers.

    Args:
        host: address to listen on.
        ports: the wanted ports; 0 stands for any free one.

    Raises:
        RunError: a port is taken.
    """
    with ExitStack() as stack:
        numbers = []
        for port in ports:
            try:
                # First alone: a port that processes of another server share is taken, too.
                with bound_socket(host, port, is_shared=False) as alone:
                    port = alone.getsockname()[1]
                kept = stack.enter_context(bound_socket(host, port, is_shared=True))
                # With this option, Linux gives a port away that nobody listens on yet, as while the models load.
                kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            except OSError as error:
                raise RunError(f"cannot listen on {host}:{port}: {error.strerror}") from None
            numbers.append(kept.getsockname()[1])
        yield numbers


def bound_socket(host: str, port: int, *, is_shared: bool) -> socket.socket:
    """A socket that is bound to a port, and does not listen yet.

    Args:
        host: an address or name.
        port: port; 0 stands for any free one.
        is_shared: whether other processes may listen on the port as well.

    Raises:
        OSError: the port is taken, or the address is none of this machine.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made
