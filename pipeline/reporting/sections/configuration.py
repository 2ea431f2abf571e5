"""Builds the list of settings, divided into given values and defaults."""

from dataclasses import dataclass

from pipeline.config.settings import with_defaults
from pipeline.reporting.facts import RunFacts
from pipeline.reporting.words import setting


@dataclass(frozen=True)
class SettingRow:
    """Value of a dotted key."""

    key: str
    value: str


@dataclass(frozen=True)
class ConfigurationView:
    """View of the configuration.

    Attributes:
        file: configuration file.
        given: values that the user set.
        defaults: all other values.
    """

    file: str
    given: tuple[SettingRow, ...]
    defaults: tuple[SettingRow, ...]


def build(facts: RunFacts) -> ConfigurationView | None:
    """Builds the view; None for a run of an older release, which recorded no settings."""
    if not facts.run.settings:
        return None
    rows = [(it.default, SettingRow(it.key, setting(it.value))) for it in with_defaults(facts.run.settings)]
    return ConfigurationView(
        file=facts.run.config,
        given=tuple(row for default, row in rows if not default),
        defaults=tuple(row for default, row in rows if default),
    )
