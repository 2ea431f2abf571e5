"""Restricts Beam's endpoints in this process to this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any


@contextmanager
def on_loopback() -> "Iterator[None]":
    """Makes gRPC servers created inside the block listen on the loopback interface instead of on all interfaces.

    Beam's own servers listen on all interfaces without a password, and Beam has no setting for this.
    """
    import grpc

    make = grpc.server

    @wraps(make)
    def server(*arguments: Any, **settings: Any) -> grpc.Server:
        made = make(*arguments, **settings)
        listen = made.add_insecure_port
        made.add_insecure_port = lambda address: listen(address.replace("[::]:", "localhost:"))
        return made

    grpc.server = server
    try:
        yield
    finally:
        grpc.server = make
