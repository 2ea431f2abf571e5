"""Where a configuration is read from, and what of it is read before TensorFlow."""

import subprocess
import sys

import pytest

from dataplane.errors import ConfigError
from pipeline.cli import main
from pipeline.config.config import load_config
from tests.paths import PROJECT


def test_missing_configuration_file(tmp_path, capsys):
    assert main(["validate", str(tmp_path / "absent.yaml")]) == 2
    assert "absent.yaml" in capsys.readouterr().err


def test_a_configuration_is_checked_before_tensorflow_loads(write):
    script = (
        "import sys; from pipeline.cli import main; code = main(['validate', sys.argv[1]]);"
        "heavy = {'tensorflow', 'apache_beam', 'scann', 'scipy'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", script, write()], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "file", sorted(path for path in (PROJECT / "tfx_config").rglob("*.yaml") if "format: synthetic" in path.read_text())
)
def test_shipped_configurations_that_need_no_files_are_valid(file):
    assert load_config(file).schema_version == 1


def test_paths_start_from_the_configuration_file(write, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    assert load_config(write()).data.base_dir == tmp_path
    with pytest.raises(ConfigError):
        load_config(write(), ["data.base_dir=/nowhere"])
