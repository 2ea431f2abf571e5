"""TLS and the token, over HTTP; test_grpc_access.py has both over gRPC."""

import argparse
import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from dataplane.errors import ConfigError
from pipeline.commands import serve_access
from serving.server.access import Access, Tls, Token
from tests.serving.server.asgi import Reply, call
from tests.serving.server.certificates import make_certificate

SECRET = "s3cret-token"


async def answering(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"here"})


def ask(header: bytes | None, path: str = "/v1/models/toy:predict", *, token: Token | None = None) -> Reply:
    app = Access(token=token or Token(SECRET)).guarded(answering)
    return asyncio.run(call(app, path, headers={} if header is None else {b"authorization": header}))


@pytest.mark.parametrize("header", [b"Bearer s3cret-token", b"bearer s3cret-token", b"Bearer  s3cret-token "])
def test_who_brings_the_token_is_answered(header: bytes) -> None:
    assert ask(header)[::2] == (200, b"here")


@pytest.mark.parametrize(
    "header",
    [None, b"", b"Bearer", b"Bearer ", b"s3cret-token", b"Basic s3cret-token", b"Bearer s3cret", b"Bearer \xff"],
)
@pytest.mark.parametrize("path", ["/v1/models/toy:predict", "/metrics", "/", "/healthz/", "//healthz"])
def test_who_does_not_is_refused(header: bytes | None, path: str) -> None:
    status, headers, answer = ask(header, path)
    assert (status, headers[b"www-authenticate"]) == (401, b"Bearer")
    assert "Authorization: Bearer TOKEN" in answer["error"]


def test_probes_need_no_token_and_without_one_nobody_does() -> None:
    assert ask(None, "/healthz")[0] == 200
    assert Access().guarded(answering) is answering


def test_the_token_is_in_the_environment_and_nowhere_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = Token.of_environment("NAME", {"NAME": f" {SECRET}\n"})
    assert ask(f"Bearer {SECRET}".encode(), token=token)[0] == 200
    assert ask(b"Bearer other", token=token)[0] == 401
    assert SECRET not in caplog.text
    assert SECRET not in repr(vars(token)) + repr(Access(token=token))


@pytest.mark.parametrize("value", [None, "", " ", "two words", "é", "a\nb"])
def test_a_variable_without_a_token_is_refused(value: str | None) -> None:
    with pytest.raises(ConfigError, match="--token-env NAME: the environment variable must have a token"):
        Token.of_environment("NAME", {} if value is None else {"NAME": value})


def test_the_token_for_changes_is_accepted_for_reading_where_reading_needs_one() -> None:
    access = Access(token=Token(SECRET), changes=Token("other"))
    app = access.guarded(answering)
    for token, code in ((b"other", 200), (SECRET.encode(), 200), (b"third", 401)):
        assert asyncio.run(call(app, "/metrics", headers={b"authorization": b"Bearer " + token}))[0] == code
    assert Access(changes=Token("other")).guarded(answering) is answering


def test_both_tokens_must_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    given = argparse.Namespace(**(serve_access.DEFAULTS | {"token_env": "ONE", "changes_token_env": "TWO"}))
    monkeypatch.setenv("ONE", SECRET)
    monkeypatch.setenv("TWO", f"{SECRET} ")
    with pytest.raises(ConfigError, match="--changes-token-env needs another token than --token-env"):
        serve_access.access_of(given)
    monkeypatch.setenv("TWO", "other")
    access = serve_access.access_of(given)
    assert access.changes is not None
    assert access.changes.is_in("Bearer other")
    monkeypatch.delenv("TWO")
    with pytest.raises(ConfigError, match="--changes-token-env TWO: the environment variable must have a token"):
        serve_access.access_of(given)


def test_a_certificate_must_fit_its_key(tmp_path: Path) -> None:
    one, other = (make_certificate(tmp_path / name) for name in ("one", "other"))
    one.check()
    locked = make_certificate(tmp_path / "locked", password=b"x")
    absent = Tls(tmp_path / "absent.pem", one.key)
    (tmp_path / "text.pem").write_text("text")
    for bad in (Tls(one.certificate, other.key), locked, absent, Tls(tmp_path / "text.pem", one.key)):
        with pytest.raises(ConfigError, match=f"--tls-cert {bad.certificate} and --tls-key {bad.key}: not a"):
            bad.check()
