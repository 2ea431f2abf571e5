"""Which receivers a configuration may name, and that their addresses are kept nowhere."""

import json
from pathlib import Path

import pytest

from dataplane.errors import ConfigError
from pipeline.config.config import load_config
from pipeline.config.notify_config import NotifyConfig
from pipeline.config.printing import print_config
from pipeline.config.settings import settings_given, with_defaults
from pipeline.messages import repeated
from tests.paths import PROJECT

QUICKSTART = PROJECT / "tfx_config" / "quickstart.yaml"
SECRET = "notify.webhook=https://hooks.example.org/services/HUSH"


@pytest.mark.parametrize("address", ["http://127.0.0.1:5000", "https://hooks.example.org/a/b", "$NIGHT_URL"])
def test_addresses_and_variables_are_accepted(address: str) -> None:
    assert NotifyConfig(webhook=address).webhook == address


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("https://me:HUSH@example.org/x", "must not hold credentials or options .* webhook: \\$NAME"),
        ("https://example.org/?token=HUSH", "must not hold credentials or options"),
        ("htps://example.org/HUSH", "is neither an http:// or https:// address nor \\$NAME"),
        ("https:///HUSH", "is neither an http:// or https:// address"),
        ("$HUSH-x", "is neither an http:// or https:// address"),
        ("https://example.org/" + "HUSH" * 1000, "more than 2000 characters"),
    ],
)
def test_other_addresses_are_refused_and_not_shown(address: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"notify: webhook .*{message}") as refused:
        load_config(QUICKSTART, [f"notify.webhook={address}"])
    assert "HUSH" not in str(refused.value)


def test_no_record_and_no_message_has_the_whole_address() -> None:
    config = load_config(QUICKSTART, [SECRET])
    assert config.notify.address.endswith("/HUSH"), "it is used as a whole"
    recorded = settings_given(config)
    assert recorded["notify"] == {"webhook": "https://hooks.example.org/***"}
    assert ("notify.webhook", "https://hooks.example.org/***") in [(it.key, it.value) for it in with_defaults(recorded)]
    again = [
        repeated("run", Path("a.yaml"), root=Path("runs"), settings=[setting])
        for setting in (SECRET, "notify={webhook: https://hooks.example.org/HUSH}")
    ]
    shown = [json.dumps(recorded), print_config(QUICKSTART, [SECRET]), *again, repr(config.model_dump())]
    assert [text for text in shown if "HUSH" in text] == []


@pytest.mark.parametrize("value", [None, "", "ftp://example.org/HUSH"])
def test_a_variable_without_an_address_is_named_without_its_value(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is not None:
        monkeypatch.setenv("NIGHT_URL", value)
    with pytest.raises(ValueError, match="the environment variable NIGHT_URL") as refused:
        _ = NotifyConfig(webhook="$NIGHT_URL").address
    assert "HUSH" not in str(refused.value)
