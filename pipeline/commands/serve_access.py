"""Options of `serve` that say who may ask: TLS and a token."""

import argparse
import os
from typing import TYPE_CHECKING, Any

from dataplane.errors import ConfigError
from pipeline.commands import options

if TYPE_CHECKING:
    from serving.server.access import Access

DEFAULTS: dict[str, Any] = {"tls_cert": None, "tls_key": None, "token_env": None}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    group = parser.add_argument_group("access", "For HTTP and gRPC alike.")
    group.add_argument("--tls-cert", type=options.local_path, metavar="FILE", help="certificate chain, PEM (no TLS)")
    group.add_argument("--tls-key", type=options.local_path, metavar="FILE", help="key of the certificate, PEM")
    group.add_argument(
        "--token-env",
        metavar="NAME",
        help="environment variable with a token that every request must bring, but for probes of health: "
        "Authorization: Bearer TOKEN (no token)",
    )


def access_of(arguments: argparse.Namespace) -> "Access":
    """What the options say.

    Raises:
        ConfigError: the certificate or its key is missing or cannot be used, or the variable has no token.
    """
    from serving.server.access import Access, Tls, Token

    if (arguments.tls_cert is None) != (arguments.tls_key is None):
        raise ConfigError("--tls-cert and --tls-key belong together; give both")
    tls = None if arguments.tls_cert is None else Tls(arguments.tls_cert, arguments.tls_key)
    if tls is not None:
        tls.check()
    name: str | None = arguments.token_env
    return Access(tls, None if name is None else Token.of_environment(name, os.environ))
