import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.harness.processes import run_task, task_process
from benchmarks.serving.tasks import Load, Outcome

MODULE = "benchmarks.serving.load_generator"


class Handler(BaseHTTPRequestHandler):
    """Answers a body of `fail` with 503, everything else with 200."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(503 if body == b"fail" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def load(port: int, *, bodies: list[str], seconds: float = 0.5, rate: int | None = None) -> Load:
    return Load(port=port, path="/x", bodies=bodies, connections=2, seconds=seconds, rate=rate)


def test_answers_and_failures_are_counted_apart(port: int) -> None:
    found = run_task(MODULE, load(port, bodies=["good", "fail"]), Outcome).result
    assert found.requests > 1
    assert set(found.errors) == {"503"}
    assert abs(found.requests - found.errors["503"]) <= 2, "bodies take turns"
    assert len(found.latencies_ms) == found.requests
    assert min(found.latencies_ms) > 0


def test_an_open_loop_keeps_its_rate(port: int) -> None:
    found = run_task(MODULE, load(port, bodies=["good"], seconds=1, rate=20), Outcome).result
    assert found.requests == 20
    assert not found.errors


def test_a_server_that_is_not_there_counts_as_failures() -> None:
    found = run_task(MODULE, load(1, bodies=["good"], seconds=0.2, rate=20), Outcome).result
    assert found.requests == 0
    assert found.errors == {"ConnectionRefusedError": 4}


def test_sigterm_ends_the_load_with_its_outcome() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        begun = threading.Event()
        finish_request = server.finish_request

        def observed(request: object, address: object) -> None:
            begun.set()
            finish_request(request, address)  # type: ignore[arg-type]

        server.finish_request = observed  # type: ignore[method-assign,assignment]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with task_process(MODULE, load(server.server_address[1], bodies=["good"], seconds=60)) as generator:
            assert begun.wait(30)
            generator.terminate()
            usage = generator.wait()
            found = Outcome.model_validate_json(generator.output())
        server.shutdown()
    assert found.seconds < 30
    assert usage.seconds < 60
