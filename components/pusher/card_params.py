"""What a model card says that only the owner of the model knows: section `model_card`."""

from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints

from components.base import Params
from dataplane.errors.credentials import has_options, has_user

_MOST = 100


def _link(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("a link starts with http:// or https://")
    if has_user(parts.netloc + parts.path) or has_options(f"{parts.netloc}{parts.path}?{parts.query}"):
        raise ValueError("a link must not have credentials or options: everyone who reads the model card sees it")
    return text


Text: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=5000)]
Texts: TypeAlias = Annotated[tuple[Text, ...], Field(max_length=_MOST)]
Link: TypeAlias = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_link)]


class OwnerConfig(Params):
    """An owner of the model."""

    name: Text
    """Name of a person or a team."""
    contact: Text | None = None
    """How to reach the owner."""


class DataSourceConfig(Params):
    """A source of the data."""

    name: Text
    """Name of the dataset."""
    link: Link | None = None
    """Where the dataset is described."""
    sensitive: Texts = ()
    """Sensitive data in it, one text for each kind."""


class RiskConfig(Params):
    """A risk for the people that the model concerns."""

    name: Text
    """The risk."""
    mitigation: Text | None = None
    """What is done about it."""


class ModelCardConfig(Params):
    """What only the owner knows about the model: section `model_card`.

    Every published version has a model card. What the pipeline recorded is in it without any of these keys.
    """

    overview: Text | None = None
    """What the model is for, in a sentence; sizes and dates if absent."""
    owners: Annotated[tuple[OwnerConfig, ...], Field(max_length=_MOST)] = ()
    """Who owns the model."""
    license: Text | None = None
    """SPDX identifier of the model's licence, such as Apache-2.0, or the licence in words."""
    references: Annotated[tuple[Link, ...], Field(max_length=_MOST)] = ()
    """Links to more about the model."""
    data: Annotated[tuple[DataSourceConfig, ...], Field(max_length=_MOST)] = ()
    """Where the data come from."""
    intended_users: Texts = ()
    """Who should use the model."""
    use_cases: Texts = ()
    """What the model should be used for."""
    limitations: Texts = ()
    """What the model should not be used for, besides the limits that the pipeline measured."""
    tradeoffs: Texts = ()
    """What was given up for what."""
    ethical_considerations: Annotated[tuple[RiskConfig, ...], Field(max_length=_MOST)] = ()
    """Risks for people, and what is done about them."""
