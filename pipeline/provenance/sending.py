"""Sends OpenLineage events to a server such as Marquez."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from dataplane.errors import RunError
from dataplane.errors.credentials import redacted

API_KEY = "OPENLINEAGE_API_KEY"
"""The variable that holds the server's API key, the one that OpenLineage's own clients read."""
_PATH = "/api/v1/lineage"
_SECONDS = 30


def send(events: Iterable[Mapping[str, Any]], url: str) -> None:
    """Sends events one after another, oldest first.

    Args:
        events: JSON values.
        url: an HTTP address; `/api/v1/lineage` is added if it has no path.

    Raises:
        RunError: the server cannot be reached or refuses an event.
    """
    parts = urlsplit(url)
    address = urlunsplit(parts._replace(path=parts.path.rstrip("/") or _PATH))
    key = os.environ.get(API_KEY)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    for event in events:
        request = urllib.request.Request(address, json.dumps(event).encode(), headers)  # noqa: S310  (the user's own)
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS):  # noqa: S310
                pass
        except urllib.error.HTTPError as error:
            reason = f"{error.code} {error.reason}"
        except OSError as error:
            reason = str(getattr(error, "reason", error))
        else:
            continue
        raise RunError(f"{redacted(address)} did not accept the event of {event['job']['name']}: {reason}")
