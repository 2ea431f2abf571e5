"""Every command in README and docs is one that there is, with options that there are."""

import argparse
import json
import re
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NoReturn

import pytest
import yaml

from pipeline.cli import build_parser
from tests.docs.blocks import Block, blocks, commands
from tests.paths import PROJECT

SHELL_BLOCKS = [block for block in blocks() if block.language == "sh"]
COMMANDS = [(str(block), words) for block in SHELL_BLOCKS for words in commands(block)]
LANGUAGES = {"sh", "yaml", "python", "text"}
UNCHECKED = (
    "export", "git", "cd", ".", "bazel", "kill", "head", "tail", "ls", "cat", "cp", "mkdir", "kubectl", "echo",
    "tensorflow_model_server",
)  # fmt: skip
"""Programs whose arguments are not checked."""


class _ParsedError(Exception):
    """The arguments were understood; the command itself is not run."""


def test_blocks_say_what_they_are() -> None:
    assert [str(block) for block in blocks() if block.language not in LANGUAGES] == []


@pytest.mark.parametrize(("place", "words"), COMMANDS)
def test_the_command_is_understood(place: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if not words or words[0] in UNCHECKED:
        return
    check = CHECKS.get(words[0])
    assert check is not None, f"{place}: nothing checks {words[0]}"
    check(words[1:], monkeypatch)


@pytest.mark.parametrize("block", [block for block in blocks() if block.language == "python"], ids=str)
def test_python_compiles(block: Block) -> None:
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", [block for block in blocks() if block.language == "yaml" and block.title], ids=str)
def test_other_yaml_is_valid(block: Block) -> None:
    assert list(yaml.safe_load_all(block.text))


def _python(words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if words[0] != "-m":
        assert words[0] == "-c" or (PROJECT / words[0].removeprefix("../")).is_file()
        return
    if words[1] == "pipeline":
        _pipeline(words[2:], monkeypatch)
    elif words[1].startswith("benchmarks."):
        parse = argparse.ArgumentParser.parse_args

        def only_parse(parser: argparse.ArgumentParser, *arguments: Any) -> NoReturn:
            parse(parser, *arguments)
            raise _ParsedError

        monkeypatch.setattr(argparse.ArgumentParser, "parse_args", only_parse)
        with pytest.raises(_ParsedError):
            import_module(f"{words[1]}.__main__").main(words[2:])
    else:
        import_module(words[1])


def _pipeline(words: Sequence[str], _: pytest.MonkeyPatch) -> None:
    options = build_parser().parse_args(words)
    config = str(getattr(options, "config", ""))
    if config.startswith("tfx_config/"):
        assert (PROJECT / config).is_file()


def _make(words: Sequence[str], _: pytest.MonkeyPatch) -> None:
    targets = re.findall(r"^([a-z.-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {word for word in words if "=" not in word} <= {*targets, ".venv"}


def _pip(words: Sequence[str], _: pytest.MonkeyPatch) -> None:
    setup = (PROJECT / "setup.py").read_text(encoding="utf-8")
    extras = [extra for word in words for extra in re.findall(r"^\.\[([\w,]+)\]", word)]
    for extra in ",".join(extras).split(",") if extras else ():
        assert f'"{extra}": [' in setup


def _docker(words: Sequence[str], _: pytest.MonkeyPatch) -> None:
    if "--target" in words:
        stage = words[words.index("--target") + 1]
        assert f" AS {stage}\n" in (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    if words[0] == "compose":
        assert (PROJECT / words[words.index("-f") + 1]).is_file()


def _curl(words: Sequence[str], _: pytest.MonkeyPatch) -> None:
    (url,) = (word for word in words if re.match(r"(http://)?localhost:", word))
    path = url.partition("localhost:")[2].partition("/")[2]
    model = r"v1/models/[\w-]+(/labels/\w+|/versions/\d+)?(:predict|/metadata|/candidates)?"
    assert re.fullmatch(rf"{model}|healthz|metrics|openapi\.json", path)
    if "-d" in words:
        body = json.loads(words[words.index("-d") + 1])
        changes, asked = {"add", "update", "remove"}, {"signature_name", "instances", "inputs", "k", "columns"}
        assert set(body) <= (changes if path.endswith("/candidates") else asked)


def _tensorboard(words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`tests/e2e/test_tensorboard.py` starts it like this."""
    assert words[0] == "--logdir"
    assert re.fullmatch(r"runs/\w+", words[1])


CHECKS: dict[str, Callable[[Sequence[str], pytest.MonkeyPatch], None]] = {
    "python": _python,
    "tfrs-pipeline": _pipeline,
    "make": _make,
    "pip": _pip,
    "docker": _docker,
    "curl": _curl,
    "tensorboard": _tensorboard,
}
