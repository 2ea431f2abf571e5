"""`explore` is `serve` for this machine only."""

from pathlib import Path

import pytest

from pipeline.cli import build_parser, main


def test_it_serves_the_loopback_with_the_defaults_of_serve() -> None:
    parser = build_parser()
    serve, explore = (vars(parser.parse_args([verb, "toy"])) for verb in ("serve", "explore"))
    assert serve.keys() <= explore.keys()
    assert explore["host"] == "127.0.0.1"
    own = {"host", "port", "execute"}
    assert {key: explore[key] for key in serve.keys() - own} == {key: serve[key] for key in serve.keys() - own}
    assert vars(parser.parse_args(["explore", "toy", "--port", "0"]))["port"] == 0


def test_it_listens_nowhere_else(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["explore", "toy", "--host", "0.0.0.0"])
    assert "--host" in capsys.readouterr().err


def test_nothing_published_is_a_usage_error(tmp_path: Path) -> None:
    assert main(["explore", "toy", "--root", str(tmp_path)]) == 2
