"""Every invalid configuration, even a hostile one, ends in a ConfigError that names the place."""

import os
import subprocess
import sys

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.errors import ConfigError
from pipeline.cli import main
from pipeline.config.config import load_config
from pipeline.config.yaml_file import MAX_FILES, read_document
from pipeline.config.yaml_values import MAX_BYTES, MAX_VALUES

GOOD = {
    "schema_version": 1,
    "name": "shop",
    "data": {
        "interactions": {
            "format": "csv",
            "path": "clicks.csv",
            "columns": {"query_id": "user", "candidate_id": "item", "timestamp": "at"},
            "date_formats": {"at": "%Y-%m-%d"},
        },
        "queries": {"format": "csv", "path": "users.csv", "id": "user", "list_columns": {"tags": "|"}},
    },
    "schema": {"path": "schema.pbtxt"},
    "validation": {"described_queries": {"refuse_below": 0.1}},
    "split": {"method": "time", "validation_from": "2019-01-01", "test_from": "2020-01-01"},
    "features": {"query": {"tags": {"type": "categorical"}}},
    "training": {"loss": "bpr", "event_weights": {"column": "kind", "weights": {"buy": 2}}},
    "serving": {"push": {"directory": "served"}},
    "tuning": {"trials": 2, "space": {"model.embedding_dim": [8, 16]}},
}


def levels(count, line):
    return "".join(f"l{i}: &l{i} {line(i)}\n" for i in range(1, count))


BOMBS = {
    "lists": "l0: &l0 [a]\n" + levels(12, lambda i: f"[{', '.join([f'*l{i - 1}'] * 9)}]"),
    "mappings": "l0: &l0 {x: 1}\n" + levels(60, lambda i: f"{{x: *l{i - 1}, y: *l{i - 1}}}"),
    "merge keys": "l0: &l0 {x: 1}\n" + levels(60, lambda i: f"{{<<: [*l{i - 1}, *l{i - 1}], k{i}: *l{i - 1}}}"),
}
DEEP = ["[" * 100_000, "{a: " * 20_000, "- " * 20_000, "a:\n" + "".join(" " * i + "a:\n" for i in range(1, 1000))]
DEEP += ["l0: &l0 [a]\n" + levels(60, lambda i: f"[*l{i - 1}]")]
SELF = ["a: &a [*a]", "a: &a {b: [1, *a]}", "&a b: &r {c: *r}", "a: &a {<<: *a}", "&r {a: *r}"]
NUMBERS = ["9" * 4301, "-" + "9" * 5000, "0x" + "f" * 9000, "0b" + "1" * 50_000, "1" + "_0" * 4000, "1" + ":59" * 3000]
NUMBERS += ["9" * 1_000_000, "9" * 4000 + ".5e+9", "18446744073709551616", "1" + ":59" * 40 + ".5"]
KEYS = [
    "? " * 20_000,
    "1: a",
    "yes: a",
    "~: a",
    "2020-01-01: a",
    "1.5: a",
    "[a]: b",
    "{a: b}: c",
    "? - a\n: b",
    "&k 2: a\n*k : b",
]
TAGS = ["!!python/object/apply:os.system [ls]", "!!python/name:os.system ''", "!foo b", "!!binary aGk=", "!!set {a, b}"]
TAGS += ["!!omap [a: 1]", "!!str [a]", "!!map b", "!!seq {a: b}", "!!merge x", "!<tag:x,2000:y> z"]
SCALARS = ["!!int abc", "!!float x", "!!bool x", "!!timestamp x", "2020-13-45", "2001-01-01 00:00:00 +99:99"]


@pytest.mark.parametrize("bomb", BOMBS)
def test_aliases_that_multiply_are_refused_with_line_and_key(tmp_path, bomb):
    (tmp_path / "c.yaml").write_text(BOMBS[bomb])
    with pytest.raises(ConfigError, match=rf"c\.yaml:\d+: l\d+\.\S+: .* more than {MAX_VALUES:,} values"):
        read_document(tmp_path / "c.yaml")
    (tmp_path / "a.yaml").write_text("a: 1")
    with pytest.raises(ConfigError, match=rf"--set x: l\d+\.\S+: .* more than {MAX_VALUES:,} values"):
        read_document(tmp_path / "a.yaml", [f"x={BOMBS[bomb]}"])


@pytest.mark.parametrize("text", DEEP, ids=range(len(DEEP)))
def test_deep_nesting_is_refused(tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"c\.yaml:\d+: .*nested more than 32 levels deep"):
        read_document(tmp_path / "c.yaml")
    (tmp_path / "a.yaml").write_text("a: 1")
    for setting in (f"a={text}", f"{'a.' * 1000}a=1"):
        with pytest.raises(ConfigError, match=r"--set a.*: .*nested more than 32 levels deep"):
            read_document(tmp_path / "a.yaml", [setting])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (SELF, "the alias '[*][ar]' is inside the value that it repeats"),
        ([f"seed: {number}" for number in NUMBERS], "c.yaml:1: seed: .* number .* is too large|characters"),
        ([f"a:\n  b: {tag}" for tag in TAGS], r"c.yaml:2: a.b: not valid YAML: the tag '\S+' is not allowed"),
        ([f"a:\n  b: {scalar}" for scalar in SCALARS], "c.yaml:2: a.b: '.*' is not .*; write it in quotes"),
        (KEYS, "c.yaml:[12]: .*key must be text"),
        (["a: 1\nb: 2\n'a': 3", "a: 1\n\n\"\\x61\": 2"], "c.yaml:3: 'a' occurs twice"),
        (["x: {a: {b: 1, b: 2}}"], "c.yaml:1: 'x.a.b' occurs twice"),
        (["<<: {a: 1}\n<<: {b: 2}"], "c.yaml:2: '<<' occurs twice"),
        (["<<: 3", "<<: [{a: 1}, b]", "a: 1\n<<: [[{b: 1}]]"], "'<<' needs a mapping, or a list of mappings"),
        (["a: 1\n---\nb: 2"], "c.yaml:2: not valid YAML: there is a second document"),
        (["a: *b"], "nothing is called '&b'|no anchor for the alias '[*]b'|undefined alias"),
        (["a: 1\nb: \0", 'a: "\\0"', '"\\0": 1', 'a: {b: ["\\x00"]}'], r"c.yaml:[12]: .*U\+0000"),
        (["", "# nothing\n", "[]", "x", "~", "3"], "expected a mapping of sections at the top"),
    ],
)  # fmt: skip
def test_invalid_documents_are_refused_with_their_line(tmp_path, texts, message):
    for text in texts:
        (tmp_path / "c.yaml").write_text(text)
        with pytest.raises(ConfigError, match=message) as error:
            read_document(tmp_path / "c.yaml")
        assert len(str(error.value)) < 1000


def test_text_in_another_encoding_is_refused_with_its_line(tmp_path):
    for content, line in ((b"a: 1\nb: \xff", 2), ("a: é".encode("latin-1"), 1), ("a: 1".encode("utf-16"), 1)):
        (tmp_path / "c.yaml").write_bytes(content)
        with pytest.raises(ConfigError, match=rf"line {line} is not UTF-8 text \(byte 0x"):
            read_document(tmp_path / "c.yaml")


def test_merge_keys_aliases_and_a_byte_order_mark_are_read(tmp_path):
    text = "\ufeffbase: &b {x: 1, y: {z: 2}}\nlist: &l [{x: 5, w: 6}]\n"
    text += "a: {x: 3, <<: *b}\nb: {<<: [*b, {x: 9, v: 4}]}\nc: *l\n"
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    values = read_document(tmp_path / "c.yaml").values
    assert values == yaml.safe_load(text.removeprefix("\ufeff"))
    values["c"][0]["x"] = 7
    assert values["list"][0]["x"] == 5, "what an alias repeats is not the same object"


def test_keys_that_contain_dots_are_found(tmp_path):
    (tmp_path / "c.yaml").write_text("a:\n  user.id: 1\n  user:\n    id: 2\n    x: 3\n")
    document = read_document(tmp_path / "c.yaml")
    assert document.values == {"a": {"user.id": 1, "user": {"id": 2, "x": 3}}}
    assert document.origin("a.user.x").endswith(":5")


@pytest.mark.parametrize(
    "target", ["/dev/zero", "/dev/urandom", "/dev/stdin", "pipe", ".", "loop.yaml", "a" * 5000, "s/.."]
)
def test_extending_anything_but_a_regular_file_is_refused(tmp_path, target):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (tmp_path / "c.yaml").write_text(f"name: x\nextends: [{target}]\n")
    with pytest.raises(ConfigError, match=r"c\.yaml:2: extends: .*(cannot be read|is a directory|there is no file)"):
        read_document(tmp_path / "c.yaml")


@pytest.mark.parametrize("value", ["{a: b}", "3", "null", "[[c.yaml]]", "true", "''"])
def test_extends_without_a_file_name_is_refused(tmp_path, value):
    (tmp_path / "c.yaml").write_text(f"extends: {value}")
    with pytest.raises(ConfigError, match="extends: expected a file name"):
        read_document(tmp_path / "c.yaml")


def test_endless_and_circular_extends_are_refused(tmp_path):
    for i in range(40):
        (tmp_path / f"{i}.yaml").write_text(f"extends: [{i + 1}.yaml, {i + 1}.yaml]\na{i}: 1")
    (tmp_path / "40.yaml").write_text("a: 1")
    with pytest.raises(ConfigError, match=f"more than {MAX_FILES} files are extended"):
        read_document(tmp_path / "0.yaml")
    (tmp_path / "0.yaml").write_text("extends: link.yaml")
    (tmp_path / "link.yaml").symlink_to("0.yaml")
    with pytest.raises(ConfigError, match="the file extends itself"):
        read_document(tmp_path / "0.yaml")


def test_large_files_are_refused_alone_and_in_total(tmp_path):
    (tmp_path / "big.yaml").write_text("#" * (MAX_BYTES + 1))
    (tmp_path / "half.yaml").write_text("a: 1\n#" + "#" * (MAX_BYTES // 2))
    for extends in ("big.yaml", "[half.yaml, half.yaml]"):
        (tmp_path / "c.yaml").write_text(f"extends: {extends}")
        with pytest.raises(ConfigError, match="more than 8 MiB in total"):
            read_document(tmp_path / "c.yaml")


def test_many_problems_and_long_values_give_a_short_message(tmp_path):
    many = {f"f{i}": {"type": "none"} for i in range(1000)}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({**GOOD, "features": {"query": many}, "name": "x" * 100_000}))
    with pytest.raises(ConfigError, match=r"(?s)1\d\d\d problems:.*… and \d+ more") as error:
        load_config(tmp_path / "c.yaml")
    assert len(str(error.value)) < 10_000


def test_the_command_line_ends_with_exit_code_2(tmp_path, capsys):
    (tmp_path / "c.yaml").write_text(BOMBS["lists"])
    assert main(["validate", str(tmp_path / "c.yaml")]) == 2
    assert main(["run", "/dev/zero", "--root", str(tmp_path)]) == 2
    assert main(["validate", str(tmp_path / "c.yaml"), "--set", "=1"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    command: list[str | bytes] = [sys.executable, "-m", "pipeline", "validate", b"\xff.yaml", "--set", b"a\xff=\xfe"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 2, done.stderr
    assert b"Traceback" not in done.stderr


STRINGS = ["a" * 5000, "1" * 5000, "\0", "\u202e", "\x1b[2J", "", ".", "/", "[", "**", "%", "%Y%", "-1", "1e999"]
STRINGS += ["/dev/zero", "~nobody/x", "../" * 2000, "s3://K:S@b/x", "S3://b", "gs://", "x://y"]
HOSTILE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.dates(), st.datetimes(), st.text(max_size=12),
    st.sampled_from(STRINGS),
)  # fmt: skip
KEYS_INSIDE = st.sampled_from(["type", "column", "method", "path", "format", "x", "name", "", "a.b"])
VALUES = st.recursive(
    HOSTILE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS_INSIDE, inner, max_size=3),
    max_leaves=5,
)


def places(values, path=()):
    for key, value in values.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from places(value, (*path, key))


PLACES = sorted(set(places(GOOD)))


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    directory = tmp_path_factory.mktemp("hostile")
    (directory / "clicks.csv").write_text("user,item,at,kind\nu1,i1,2020,buy\n")
    (directory / "users.csv").write_text("user,tags\nu1,a|b\n")
    (directory / "schema.pbtxt").write_text("")
    assert refusal(directory, yaml.safe_dump(GOOD).encode()) == ""
    return directory


@pytest.mark.parametrize("value", STRINGS)
def test_any_text_anywhere_is_valid_or_a_configuration_error(shop, value):
    for path in PLACES:
        values = inner = yaml.safe_load(yaml.safe_dump(GOOD))
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        assert len(refusal(shop, yaml.safe_dump(values).encode())) < 20_000


@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), VALUES, st.booleans()), min_size=1, max_size=3))
@settings(max_examples=100)
def test_any_value_anywhere_is_valid_or_a_configuration_error(shop, changes):
    values = yaml.safe_load(yaml.safe_dump(GOOD))
    for path, value, beside in changes:
        inner = values
        for key in path[:-1]:
            inner = inner[key] if isinstance(inner.get(key), dict) else inner.setdefault(f"{key}2", {})
        inner[f"{path[-1]}x" if beside else path[-1]] = value
    content = yaml.safe_dump(values, allow_unicode=True).encode("utf-8", "surrogatepass")
    assert len(refusal(shop, content)) < 20_000


@given(st.binary(max_size=200) | st.text("{}[]&*!|>:-?,#\"'%@` \n\tab1<", max_size=80).map(str.encode))
@settings(max_examples=100)
def test_any_bytes_are_a_configuration_error(shop, content):
    assert 0 < len(refusal(shop, content)) < 20_000


@given(key=st.text(max_size=20), value=st.text("{}[]&*!|>:-?,#\"'%@` \n\tab1<\0\ud800", max_size=40))
def test_any_setting_is_valid_or_a_configuration_error(shop, key, value):
    assert len(refusal(shop, yaml.safe_dump(GOOD).encode(), f"{key}={value}")) < 20_000


def refusal(directory, content, *settings):
    """The message of the ConfigError of a configuration; "" if it is valid."""
    (directory / "c.yaml").write_bytes(content)
    try:
        load_config(directory / "c.yaml", settings)
    except ConfigError as error:
        return str(error)
    return ""
