import socket
import threading

import pytest

from dataplane.beam_runner.addresses import free_port
from dataplane.sources.formats.reachability import require_reachable


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server():
    """Address of something that listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_what_answers_is_reachable(server):
    require_reachable(f"http://{server}/data.zip")
    require_reachable(f"ftp://{server}/data.zip")


@pytest.mark.parametrize("scheme", ["http", "https", "ftp"])
def test_what_refuses_is_not(scheme):
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:\d+ cannot be reached: .*refused"):
        require_reachable(f"{scheme}://127.0.0.1:{free_port()}/data.zip")


def test_a_name_that_nobody_knows_is_not():
    with pytest.raises(ConnectionError, match=r"nowhere\.invalid:443 cannot be reached"):
        require_reachable("https://nowhere.invalid/data.zip")


def test_what_does_not_answer_is_not(monkeypatch):
    never = threading.Event()
    monkeypatch.setattr(socket, "create_connection", lambda *given, **settings: never.wait())
    with pytest.raises(ConnectionError, match=r"silent\.example:80 cannot be reached: no answer in 0\.01 s"):
        require_reachable("http://silent.example/data.zip", seconds=0.01)
    never.set()


def test_where_a_proxy_is_set_it_is_the_proxy_that_counts(server, monkeypatch):
    monkeypatch.setenv("https_proxy", server)
    require_reachable("https://nowhere.invalid/data.zip")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:"):
        require_reachable("https://nowhere.invalid/data.zip")
    monkeypatch.setenv("no_proxy", "nowhere.invalid")
    with pytest.raises(ConnectionError, match=r"nowhere\.invalid:443"):
        require_reachable("https://nowhere.invalid/data.zip")


def test_other_kinds_of_places_are_left_to_whoever_reads_them():
    require_reachable("gs://bucket/data.zip")
    require_reachable("file:///data.zip")
