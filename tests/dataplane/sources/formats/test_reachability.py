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
    """Address of a listening server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_listening_server_is_reachable(server):
    require_reachable(f"http://{server}/data.zip")
    require_reachable(f"ftp://{server}/data.zip")


@pytest.mark.parametrize("scheme", ["http", "https", "ftp"])
def test_a_refused_connection_is_unreachable(scheme):
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:\d+ cannot be reached: .*refused"):
        require_reachable(f"{scheme}://127.0.0.1:{free_port()}/data.zip")


def test_an_unknown_host_is_unreachable():
    with pytest.raises(ConnectionError, match=r"nowhere\.invalid:443 cannot be reached"):
        require_reachable("https://nowhere.invalid/data.zip")


def test_a_silent_server_is_unreachable(monkeypatch):
    over = threading.Event()

    def answer_late(*given, **settings):
        over.wait()
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", answer_late)
    with pytest.raises(ConnectionError, match=r"silent\.example:80 cannot be reached: no answer in 0\.01 s"):
        require_reachable("http://silent.example/data.zip", seconds=0.01)
    over.set()


def test_the_proxy_is_checked_if_one_is_set(server, monkeypatch):
    monkeypatch.setenv("https_proxy", server)
    require_reachable("https://nowhere.invalid/data.zip")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:"):
        require_reachable("https://nowhere.invalid/data.zip")
    monkeypatch.setenv("no_proxy", "nowhere.invalid")
    with pytest.raises(ConnectionError, match=r"nowhere\.invalid:443"):
        require_reachable("https://nowhere.invalid/data.zip")


def test_urls_of_unknown_schemes_are_not_checked():
    require_reachable("gs://bucket/data.zip")
    require_reachable("file:///data.zip")
