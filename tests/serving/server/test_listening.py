"""The port is opened, told, and closed at a scheduler's stop."""

import subprocess
import sys
import urllib.request

PROGRAM = """
from serving.server.connections import ConnectionLimits
from serving.server.listening import listen

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"here"})

limits = ConnectionLimits(connections=9, head_seconds=9, body_seconds=9, answer_seconds=9, idle_seconds=9)
listen(app, host="HOST", port=PORT, limits=limits, on_ready=lambda address: print(address, flush=True))
print("ended")
"""


def start(host: str, port: int) -> "subprocess.Popen[str]":
    program = PROGRAM.replace("HOST", host).replace("PORT", str(port))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", program], text=True, **pipes)  # type: ignore[call-overload, no-any-return]


def test_the_address_is_told_once_it_answers_and_an_interrupt_ends_the_server() -> None:
    with start("127.0.0.1", 0) as process:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address, timeout=60) as response:
            assert response.read() == b"here"
        port = int(address.rpartition(":")[2])
        with start("127.0.0.1", port) as second:
            out, error = second.communicate(timeout=120)
        assert (second.returncode, out) == (1, "")
        assert "address already in use" in error
        process.send_signal(2)
        assert process.communicate(timeout=120)[0] == "ended\n"
        assert process.returncode == 0
