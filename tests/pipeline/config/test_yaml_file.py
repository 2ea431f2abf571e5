import os

import pytest

from dataplane.errors import ConfigError
from pipeline.config.yaml_file import read_document


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_values_know_where_they_were_written(tmp_path):
    file = write(tmp_path / "a.yaml", "name: x\ntraining:\n  layers: [1, 2]\n")
    document = read_document(file)
    assert document.values == {"name": "x", "training": {"layers": [1, 2]}}
    assert document.origin("training.layers") == f"{file}:3"
    assert document.origin("training.absent") == f"{file}:2"


def test_files_and_settings_override_what_they_extend(tmp_path):
    write(tmp_path / "base.yaml", "name: base\ntraining: {batch_size: 1, layers: [1, 2]}\n")
    file = write(tmp_path / "top.yaml", "extends: base.yaml\ntraining: {layers: [3]}\n")
    document = read_document(file, ["training.batch_size=8", "features.history=null"])
    assert document.values == {
        "name": "base",
        "training": {"batch_size": 8, "layers": [3]},
        "features": {"history": None},
    }
    assert document.origin("training.batch_size") == "--set"
    assert document.origin("name").endswith("base.yaml:1")


def test_on_is_a_key_and_true_elsewhere(tmp_path):
    file = write(tmp_path / "a.yaml", "notify:\n  on: [failed]\n  'x': on\n")
    assert read_document(file).values == {"notify": {"on": ["failed"], "x": True}}


def test_later_extended_files_override_earlier_ones(tmp_path):
    write(tmp_path / "a.yaml", "name: a\ntraining: {batch_size: 1, layers: [1]}\n")
    write(tmp_path / "b.yaml", "training: {batch_size: 2}\nbeam: {runner: in_process}\n")
    file = write(tmp_path / "top.yaml", "extends: [a.yaml, b.yaml]\nname: top\n")
    document = read_document(file)
    assert document.values == {
        "name": "top",
        "training": {"batch_size": 2, "layers": [1]},
        "beam": {"runner": "in_process"},
    }
    assert document.origin("training.batch_size") == f"{tmp_path / 'b.yaml'}:1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "expected a mapping"),
        ("", "expected a mapping"),
        ("a: [1\n", "not valid YAML"),
        ("a: 1\na: 2\n", "'a' occurs twice"),
        ("extends: bad.yaml\n", "the file extends itself"),
        ("extends: absent.yaml\n", r"bad\.yaml:1: extends: there is no file .*/absent\.yaml$"),
        ("a: !!python/object/apply:os.system [ls]\n", "not valid YAML"),
        ("a: !!int\n", "a: '' is not a"),
        ("a: !!float ''\n", "a: '' is not a"),
        ("! [1]\n", "expected a mapping"),
        ("! [", "not valid YAML"),
        ("a: ! {b\n", "not valid YAML"),
    ],
)
def test_bad_files_are_refused(tmp_path, text, message):
    file = write(tmp_path / "bad.yaml", text)
    with pytest.raises(ConfigError, match=message):
        read_document(file)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.yaml", "there is no file FOLDER/absent.yaml"),
        ("a.yaml/b.yaml", "there is no file FOLDER/a.yaml/b.yaml"),
        ("", "FOLDER is a directory; name a YAML file"),
    ],
)
def test_a_file_that_is_not_there_is_said_to_be_absent(tmp_path, name, message):
    write(tmp_path / "a.yaml", "name: x\n")
    with pytest.raises(ConfigError) as refused:
        read_document(tmp_path / name)
    assert str(refused.value) == message.replace("FOLDER", str(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_refused_for_that(tmp_path):
    file = write(tmp_path / "a.yaml", "name: x\n")
    file.chmod(0)
    with pytest.raises(ConfigError, match=r"a\.yaml cannot be read: this user lacks the permission"):
        read_document(file)


@pytest.mark.parametrize("setting", ["batch_size", "=3", "a=[1"])
def test_bad_settings_are_refused(tmp_path, setting):
    file = write(tmp_path / "a.yaml", "name: x\n")
    with pytest.raises(ConfigError, match="--set"):
        read_document(file, [setting])


def test_the_tag_that_names_no_type_leaves_lists_and_mappings_as_they_are(tmp_path):
    document = read_document(write(tmp_path / "c.yaml", "! {a: ! [1, ! {b: 2}], c: ! '3', d: ! &x [4], e: *x}\n"))
    assert document.values == {"a": [1, {"b": 2}], "c": "3", "d": [4], "e": [4]}
