"""The `notify` section of a configuration: who is told how a run ended."""

import os
import re
from typing import Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, field_serializer, model_validator

from dataplane.errors.credentials import has_options, has_user
from models.spec.strict import Strict

Outcome: TypeAlias = Literal["refused", "failed", "published"]

_VARIABLE = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*")
_LONGEST = 2000


class NotifyConfig(Strict):
    """Who is told how a run or a refresh ended: section `notify`."""

    on: tuple[Outcome, ...] = ("refused", "failed", "published")
    """Outcomes that are told: a gate refused, the run failed, a version was published."""
    webhook: str | None = None
    """Address to which the outcome is posted as JSON. `$NAME` takes the address from the environment variable NAME, so
    that it is in no file. Records, logs and messages show the host alone."""
    command: tuple[str, ...] = ()
    """Program and arguments that get the outcome as JSON on the standard input; no shell is involved."""
    max_seconds: float = Field(default=60.0, gt=0, le=3600)
    """Longest time spent on telling one outcome, with all attempts."""

    @model_validator(mode="after")
    def _check_webhook(self) -> Self:
        """Checks the address here, because a message about a field shows the value."""
        if self.webhook is not None and not _VARIABLE.fullmatch(self.webhook):
            _check_address(self.webhook)
        return self

    @field_serializer("webhook")
    def _without_path(self, webhook: str | None) -> str | None:
        """What records hold: the path of an address may be a secret."""
        return None if webhook is None else without_path(webhook)

    @property
    def variable(self) -> str:
        """Environment variable that holds the address; "" if the configuration holds it."""
        return self.webhook[1:] if self.webhook is not None and self.webhook.startswith("$") else ""

    @property
    def address(self) -> str:
        """The address of the webhook.

        Raises:
            ValueError: the environment variable is not set or holds no address.
        """
        if not self.variable:
            return self.webhook or ""
        address = os.environ.get(self.variable, "")
        if not address:
            raise ValueError(f"the environment variable {self.variable} is not set")
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"the environment variable {self.variable} holds no http:// or https:// address")
        return address


def without_path(webhook: str) -> str:
    """An address with its host alone; `$NAME` as it is."""
    if _VARIABLE.fullmatch(webhook):
        return webhook
    parts = urlsplit(webhook)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/***"


def _check_address(webhook: str) -> None:
    if len(webhook) > _LONGEST:
        raise ValueError(f"webhook has more than {_LONGEST} characters")
    rest = webhook.partition("://")[2]
    if has_user(rest) or has_options(rest):
        raise ValueError(
            "webhook must not hold credentials or options (user@, ?name=value, #); put the address into an environment "
            "variable NAME and write webhook: $NAME"
        )
    parts = urlsplit(webhook)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("webhook is neither an http:// or https:// address nor $NAME, an environment variable")
