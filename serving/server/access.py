"""Who may ask: TLS for both protocols, and a token that every request must bring.

The token comes from the environment, is compared in constant time, and is never logged. Probes of health need none.
"""

import hashlib
import hmac
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from dataplane.errors import ConfigError

REFUSAL = "this server wants the header 'Authorization: Bearer TOKEN', with its token"
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2; the ciphers of TLS 1.3 are all as good."""
_OPEN_PATH = "/healthz"


@dataclass(frozen=True)
class Tls:
    """A certificate chain and its key, files in PEM format."""

    certificate: Path
    key: Path

    def check(self) -> None:
        """Reads both files.

        Raises:
            ConfigError: they cannot be read, do not belong together, or the key has a password.
        """
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(self.certificate, self.key, "")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise ConfigError(
                f"--tls-cert {self.certificate} and --tls-key {self.key}: not a certificate and its key without a "
                f"password, in PEM format: {error}"
            ) from None


class Token:
    """The token of the server."""

    def __init__(self, text: str) -> None:
        self._digest = _digest(text.encode())

    @classmethod
    def of_environment(cls, name: str, environment: Mapping[str, str], *, option: str = "--token-env") -> "Token":
        """Reads the token from a variable, which an option names.

        Raises:
            ConfigError: the variable is missing or has no token.
        """
        text = environment.get(name, "").strip()
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise ConfigError(
                f"{option} {name}: the environment variable must have a token of printable ASCII without spaces"
            )
        return cls(text)

    def is_in(self, header: str | bytes | None) -> bool:
        """Whether an Authorization header has the token."""
        given = header.encode("latin-1", "replace") if isinstance(header, str) else header or b""
        scheme, _, text = given.partition(b" ")
        # Digests are of one length, so that the time does not tell the token's.
        return hmac.compare_digest(_digest(text.strip()), self._digest) and scheme.lower() == b"bearer"


@dataclass(frozen=True)
class Access:
    """Who may ask.

    Attributes:
        tls: the server's certificate; None for connections without TLS.
        token: what every request must bring; None if nothing.
        changes: what requests that change candidates must bring, and all others may; None if nothing can be changed.
    """

    tls: Tls | None = None
    token: Token | None = None
    changes: Token | None = None

    def admits(self, header: str | bytes | None) -> bool:
        """Whether a request with this Authorization header may ask."""
        tokens = [token for token in (self.token, self.changes) if token is not None]
        return self.token is None or any(token.is_in(header) for token in tokens)

    def guarded(self, app: ASGIApp) -> ASGIApp:
        """An application that refuses requests without the token, before their body is read."""
        if self.token is None:
            return app

        async def admit(scope: Scope, receive: Receive, send: Send) -> None:
            is_free = scope["type"] != "http" or scope["path"] == _OPEN_PATH
            await (app if is_free or self.admits(_authorization(scope)) else _refuse)(scope, receive, send)

        return admit


async def _refuse(_: Scope, __: Receive, send: Send) -> None:
    body = orjson.dumps({"error": REFUSAL})
    told = {"content-type": "application/json", "content-length": str(len(body)), "www-authenticate": "Bearer"}
    headers = [(name.encode(), value.encode()) for name, value in told.items()]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _authorization(scope: Scope) -> bytes | None:
    return next((value for name, value in scope["headers"] if name == b"authorization"), None)


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
