"""Endpoints of Beam in this process that only this machine reaches."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any


@contextmanager
def on_loopback() -> "Iterator[None]":
    """Has gRPC servers that are made in the block listen on the loopback interface instead of on all of them.

    Beam's own servers ask for all interfaces, without a password, and have no setting for it.
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
