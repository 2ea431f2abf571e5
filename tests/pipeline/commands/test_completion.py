"""The script of `completion` is tried in the shell that it is for."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.cli import main

_ASK_BASH = """
source ./script
COMP_WORDS=({words}) COMP_CWORD={place}
_shtab_tfrs_pipeline tfrs-pipeline {last} {before}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


def completed(directory: Path, *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    asked = _ASK_BASH.format(words=" ".join(words), place=len(words) - 1, last=words[-1], before=words[-2])
    done = subprocess.run(["bash", "-c", asked], cwd=directory, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_commands_options_and_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "script").write_text(script("bash", capsys))
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "runs").mkdir()
    assert completed(tmp_path, "tfrs-pipeline", "ru") == ["run"]
    assert set(completed(tmp_path, "tfrs-pipeline", "run", "mine.yaml", "--log")) == {"--log-format"}
    assert completed(tmp_path, "tfrs-pipeline", "run", "min") == ["mine.yaml"]
    assert completed(tmp_path, "tfrs-pipeline", "run", "--root", "ru") == ["runs"]
    assert completed(tmp_path, "tfrs-pipeline", "run", "--log-format", "js") == ["json"]


def test_zsh_gets_every_command_with_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    told = script("zsh", capsys)
    assert told.startswith("#compdef tfrs-pipeline")
    assert "doctor:'Looks at what a pipeline needs" in told
    if shutil.which("zsh"):
        subprocess.run(["zsh", "-n"], input=told, text=True, check=True)


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["completion", "fish"])
    assert ended.value.code == 2
    assert "'bash', 'zsh'" in capsys.readouterr().err
