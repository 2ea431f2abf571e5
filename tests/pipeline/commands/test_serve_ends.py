"""How `serve` starts and ends: its options, and a scheduler's stop while a request is under way."""

import os
import socket
import time
from pathlib import Path

import pytest

from pipeline.cli import main
from tests.pipeline.serving_process import running_server

BODY = b'{"instances": [{"history": ["c00001"]}]}'
HEAD = b"POST /v1/models/toy:predict HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"


def test_a_request_under_way_is_answered_before_the_server_ends(tmp_path: Path) -> None:
    with running_server(tmp_path, "--timeout-seconds", "60") as server:
        address = ("127.0.0.1", int(server.base.rpartition(":")[2]))
        with socket.create_connection(address, timeout=60) as under_way:
            under_way.sendall(HEAD % len(BODY) + BODY[:10])
            assert b"100 Continue" in under_way.recv(1000)  # the server waits for the body now
            server.process.terminate()
            while accepts(address):
                time.sleep(0.01)
            under_way.sendall(BODY[10:])
            answer = b""
            while part := under_way.recv(10_000):
                answer += part
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b'"candidate_ids":["c' in answer
        assert server.process.wait(60) == 0
        assert "Traceback" not in server.log.read_text()


def test_the_log_tells_what_is_loaded_and_where_the_server_answers(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        version = server.get("/healthz")["versions"]["toy"]
        loading, loaded = f": loading version {version} from {tmp_path / 'serving'}", f": version {version}, loaded in "
        told = [
            "starting: loading TensorFlow",
            *(f"{name}{line}" for name in ("toy-scann", "toy") for line in (loading, loaded)),
            f"ready: {server.base}/ is the page ",
        ]
        log = server.log.read_text()
        places = [log.find(line) for line in told]
        assert -1 not in places
        assert places == sorted(places)


def accepts(address: tuple[str, int]) -> bool:
    """Whether a server takes new connections."""
    try:
        socket.create_connection(address, timeout=60).close()
    except ConnectionError:
        return False
    return True


@pytest.mark.parametrize("option", ["--poll-seconds", "--timeout-seconds", "--header-seconds", "--idle-seconds"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1e12", "soon"])
def test_times_are_numbers_above_0(capsys: pytest.CaptureFixture[str], option: str, value: str) -> None:
    refused(capsys, option, value, f"{option}: '{value}' is not a number above 0")


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--batch-wait-ms", "-1", "'-1' is not a number of at least 0"),
        ("--batch-wait-ms", "nan", "'nan' is not a number of at least 0"),
        ("--port", "65536", "'65536' is not a port from 0 to 65535"),
        ("--port", "-1", "'-1' is not a port"),
        ("--max-body-bytes", "0", "'0' is not a whole number above 0"),
        ("--max-rows", "0", "'0' is not a whole number above 0"),
        ("--max-batch-size", "2.5", "'2.5' is not a whole number above 0"),
        ("--processes", "0", "'0' is not a whole number above 0"),
        ("--grpc-port", "65536", "'65536' is not a port from 0 to 65535"),
        ("--tls-cert", "s3://bucket/cert.pem", "expected a path on this machine"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(
    capsys: pytest.CaptureFixture[str], option: str, value: str, told: str
) -> None:
    refused(capsys, option, value, told)


def refused(capsys: pytest.CaptureFixture[str], option: str, value: str, told: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "toy", "--root", os.devnull, f"{option}={value}"])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--tls-cert", "cert.pem"], "--tls-cert and --tls-key belong together; give both"),
        (["--tls-cert", "cert.pem", "--tls-key", "key.pem"], "--tls-cert cert.pem and --tls-key key.pem: not a"),
        (["--token-env", "NO_TOKEN"], "--token-env NO_TOKEN: the environment variable must have a token"),
    ],
)
def test_access_that_cannot_be_kept_is_refused_before_models_load(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str, processes: str
) -> None:
    assert main(["serve", "toy", "--models", str(tmp_path), "--processes", processes, *options]) == 2
    assert told in capsys.readouterr().err
