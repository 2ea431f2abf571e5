"""The configuration of the run, with what was left at its default marked."""

from dataclasses import dataclass

from pipeline.config.settings import with_defaults
from pipeline.reporting.facts import RunFacts
from pipeline.reporting.words import setting


@dataclass(frozen=True)
class SettingRow:
    """One value, by its dotted key."""

    key: str
    value: str


@dataclass(frozen=True)
class ConfigurationView:
    """The section.

    Attributes:
        file: where it was read from.
        given: values that the user set.
        defaults: values that are left at their defaults.
    """

    file: str
    given: tuple[SettingRow, ...]
    defaults: tuple[SettingRow, ...]


def build(facts: RunFacts) -> ConfigurationView | None:
    """The configuration; None if an older release made the run, which did not record it."""
    if not facts.run.settings:
        return None
    rows = [(it.default, SettingRow(it.key, setting(it.value))) for it in with_defaults(facts.run.settings)]
    return ConfigurationView(
        file=facts.run.config,
        given=tuple(row for default, row in rows if not default),
        defaults=tuple(row for default, row in rows if default),
    )
