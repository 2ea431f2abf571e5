"""What can be told of the Dockerfile without an engine to build it with."""

import json
import re
import shlex

import pytest

from pipeline.cli import main
from tests.paths import PROJECT


def stages() -> dict[str, list[str]]:
    """Instructions of each stage, after those of the stage it starts from."""
    found: dict[str, list[str]] = {}
    text = (PROJECT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    for line in filter(None, (line.strip() for line in text.splitlines() if not line.startswith("#"))):
        start = re.fullmatch(r"FROM (\S+) AS (\S+)", line)
        if start:
            name = start[2]
            found[name] = list(found.get(start[1], []))
        else:
            found[name].append(line)
    return found


def test_everything_that_is_copied_is_there() -> None:
    copied = [shlex.split(line)[1:-1] for line in stages()["builder"] + stages()["pipeline"] if line.startswith("COPY")]
    sources = [source for names in copied if not names[0].startswith("--from") for source in names]
    assert len(sources) > 5
    assert [source for source in sources if not (PROJECT / source).exists()] == []


@pytest.mark.parametrize("name", ["serving", "pipeline"])
def test_images_run_as_an_ordinary_user(name: str) -> None:
    users = [line for line in stages()[name] if line.startswith("USER")]
    assert users == ["USER pipeline"]


def test_the_server_is_checked_and_started_with_options_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    serving = stages()["serving"]
    assert any(line.startswith("HEALTHCHECK") and "/healthz" in line for line in serving)
    start = json.loads(next(line.partition(" ")[2] for line in serving if line.startswith("ENTRYPOINT")))
    assert start[:3] == ["python", "-m", "pipeline"]
    with pytest.raises(SystemExit) as ended:
        main([*start[3:], "--help"])
    assert ended.value.code == 0
    assert "--models" in capsys.readouterr().out


def test_the_default_image_is_the_pipelines() -> None:
    assert list(stages())[-1] == "pipeline"
