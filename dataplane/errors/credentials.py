"""Recognises credentials in URIs, and removes them from everything that is shown or stored."""

import logging
import re
from urllib.parse import unquote

_HIDDEN = "***"
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:/{1,3}")
_PORT = re.compile(r":\d{1,5}$")
_OPTION = re.compile(r"\?[\w.~\[\]-]*=|#")
_SENSITIVE_NAMES = "key|secret|token|sig|signature|password|passwd|pwd|credential"
_SENSITIVE_OPTION = re.compile(rf"([?#&;][\w.~-]*(?:{_SENSITIVE_NAMES})[\w.~-]*=)[^&\s'\"]+", re.IGNORECASE)
_CLOSING = "'\"),.;:]}>"


def has_user(rest: str) -> bool:
    """Whether the authority of a URI contains credentials: `KEY:SECRET@`, `TOKEN@` or `KEY:SECRET`.

    Args:
        rest: the URI after its scheme, percent-encoded or not.
    """
    authority = _decoded(rest).partition("/")[0]
    return "@" in authority or (":" in _PORT.sub("", authority) and not authority.startswith("["))


def has_options(rest: str) -> bool:
    """Whether a URI has `?name=value` or a `#fragment`.

    Args:
        rest: the URI after its scheme, percent-encoded or not.
    """
    return _OPTION.search(_decoded(rest)) is not None


def redacted(text: str) -> str:
    """Replaces credentials in URIs, and the values of options with names such as `token`, by `***`.

    For example, "s3://KEY:SECRET@bucket/a.csv?token=x cannot be read" becomes
    "s3://***@bucket/a.csv?*** cannot be read".
    """
    starts = list(_SCHEME.finditer(text))
    ends = [start.start() for start in starts] + [len(text)]
    parts = [text[: ends[0]]]
    for start, end in zip(starts, ends[1:], strict=True):
        token = re.match(r"\S*", text[start.end() : end])
        rest = token[0].rstrip(_CLOSING) if token else ""
        parts += [start[0], _redacted_rest(rest), text[start.end() + len(rest) : end]]
    return _SENSITIVE_OPTION.sub(rf"\1{_HIDDEN}", "".join(parts))


class RedactingFormatter(logging.Formatter):
    """Formats log records, tracebacks included, without credentials."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        return redacted(super().format(record))


def _redacted_rest(rest: str) -> str:
    plain = _decoded(rest)
    if has_user(rest):
        authority, slash, path = plain.partition("/")
        _, at, bucket = authority.rpartition("@")
        if not at:  # the secret may contain a slash, so the "@" may be in the path, or missing
            _, at, path = plain.rpartition("@")
            return f"{_HIDDEN}@{_redacted_rest(path)}" if at else _HIDDEN
        rest = plain = f"{_HIDDEN}@{bucket}{slash}{path}"
    option = _OPTION.search(plain)
    return rest if option is None else f"{plain[: option.start() + 1]}{_HIDDEN}"


def _decoded(text: str) -> str:
    """Undoes percent-encoding that was applied up to three times."""
    for _ in range(3):
        text = unquote(text)
    return text
