"""No command shows or keeps the credentials of a location that it was given."""

import pytest

from pipeline.cli import main
from tests.dataplane.errors.test_credentials import WITH_SECRETS

GOOD = "schema_version: 1\nname: shop\ndata:\n  interactions:\n    format: csv\n    path: clicks.csv\n"
GOOD += "    columns: {query_id: user, candidate_id: item}\n"

COMMANDS = {
    "init": ["init", "LOCATION"],
    "init beside another": ["init", "clicks.csv", "LOCATION"],
    "init, output": ["init", "clicks.csv", "-o", "LOCATION"],
    "validate, file": ["validate", "LOCATION"],
    "run, file": ["run", "LOCATION"],
    "run, path": ["run", "c.yaml", "--set", "data.interactions.path=LOCATION"],
    "run, paths": ["run", "c.yaml", "--set", "data.interactions.path=[clicks.csv, 'LOCATION']"],
    "run, base_dir": ["run", "c.yaml", "--set", "data.base_dir=LOCATION"],
    "run, schema": ["run", "c.yaml", "--set", "schema.path=LOCATION"],
    "run, push": ["run", "c.yaml", "--set", "serving.push.directory=LOCATION"],
    "run, no YAML": ["run", "c.yaml", "--set", "data.interactions.path=LOCATION: ["],
    "run, no key": ["run", "c.yaml", "--set", "LOCATION"],
    "run, as a key": ["run", "c.yaml", "--set", "data={'LOCATION': 1}"],
    "run, as a name": ["run", "c.yaml", "--set", "name=LOCATION"],
    "run, as a number": ["run", "c.yaml", "--set", "seed=LOCATION"],
    "run, Dataflow": ["run", "c.yaml", "--set", "beam={runner: dataflow, temp_location: 'LOCATION'}"],
    "run, root": ["run", "c.yaml", "--root", "LOCATION"],
    "run, step": ["run", "c.yaml", "--from", "LOCATION"],
    "extends": ["run", "extends.yaml"],
    "refresh-index": ["refresh-index", "c.yaml", "--root", "LOCATION"],
    "tune": ["tune", "c.yaml", "--set", "data.interactions.path=LOCATION"],
    "status": ["status", "--root", "LOCATION"],
    "show": ["show", "LOCATION"],
    "versions": ["versions", "LOCATION"],
    "rollback": ["rollback", "shop", "--root", "LOCATION"],
    "clean": ["clean", "LOCATION"],
    "recommend": ["recommend", "shop", "--model", "LOCATION"],
    "serve": ["serve", "shop", "--models", "LOCATION"],
    "serve without a name": ["serve", "--models", "LOCATION"],
    "an argument too many": ["status", "shop", "LOCATION"],
    "no such option": ["status", "--LOCATION"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_shows_or_keeps_a_secret(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clicks.csv").write_text("user,item\nu1,i1\nu1,i2\n")
    for location in WITH_SECRETS:
        (tmp_path / "c.yaml").write_text(GOOD)
        (tmp_path / "extends.yaml").write_text(f"extends: {location!r}\n{GOOD}")
        before = set(tmp_path.rglob("*"))
        code: str | int | None
        try:
            code = main([argument.replace("LOCATION", location) for argument in COMMANDS[command]])
        except SystemExit as stop:
            code = stop.code
        told = capsys.readouterr()
        assert code == 2, told.err
        assert "HUSH" not in told.out + told.err
        assert set(tmp_path.rglob("*")) == before, "nothing is written under the name of a location"
