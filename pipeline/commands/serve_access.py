"""Options of `serve` that say who may ask: TLS and a token."""

import argparse
import os
from typing import TYPE_CHECKING, Any

from dataplane.errors import ConfigError
from pipeline.commands import options

if TYPE_CHECKING:
    from serving.server.access import Access, Token

DEFAULTS: dict[str, Any] = {"tls_cert": None, "tls_key": None, "token_env": None, "changes_token_env": None}


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
    group.add_argument(
        "--changes-token-env",
        metavar="NAME",
        help="environment variable with another token, of clients that may add, update and remove candidates at "
        "/v1/models/NAME/candidates, and ask as well (no changes)",
    )


def access_of(arguments: argparse.Namespace) -> "Access":
    """What the options say.

    Raises:
        ConfigError: the certificate or its key is missing or cannot be used, a variable has no token, or both have the
            same.
    """
    from serving.server.access import Access, Tls

    if (arguments.tls_cert is None) != (arguments.tls_key is None):
        raise ConfigError("--tls-cert and --tls-key belong together; give both")
    tls = None if arguments.tls_cert is None else Tls(arguments.tls_cert, arguments.tls_key)
    if tls is not None:
        tls.check()
    changes: str | None = arguments.changes_token_env
    access = Access(tls, _token(arguments.token_env, "--token-env"), _token(changes, "--changes-token-env"))
    if changes is not None and access.token is not None and access.token.is_in(f"Bearer {os.environ[changes].strip()}"):
        raise ConfigError("--changes-token-env needs another token than --token-env, whose clients change nothing")
    return access


def _token(name: str | None, option: str) -> "Token | None":
    from serving.server.access import Token

    return None if name is None else Token.of_environment(name, os.environ, option=option)
