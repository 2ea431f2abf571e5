"""`validate` accepts every draft of `init` for generated tables, and the roles are right if the tables show them."""

import csv
import gzip
import io
import json
import lzma
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.errors import ConfigError
from pipeline.config.config import load_config
from pipeline.drafting.infer import infer_draft
from tests.e2e.conftest import cli

NAMES = {
    "snake": "user_id item_id timestamp rating title channel quantity price age",
    "camel": "customerId productId eventTime starRating productName salesChannel orderQty unitPrice customerAge",
    "glued": "visitorid movieid ts score movietitle channel qty price age",
    "pascal": "MemberID SKU CreatedAt Stars Description ChannelId Quantity Price Age",
    "kebab": "session-id track-id time plays track-title device count total age",
    "german": "kunden_nr Artikelnummer Datum Bewertung Bezeichnung Kanal Menge Preis Alter",
    "french": "id_utilisateur id_produit date_achat note titre canal quantité prix âge",
    "spanish": "usuario producto_id fecha puntuacion nombre_producto canal cantidad precio edad",
}
ROLES = ("query", "candidate", "time", "weight", "title", "channel", "quantity", "price", "age")
FORMATS = ("csv", "csv.gz", "tsv", "semicolon.csv", "colons.dat", "txt.xz", "jsonl", "json.gz", "array.json", "parquet")
PACKED: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".xz": lzma.compress}


@dataclass(frozen=True)
class World:
    """Generated tables and their file formats."""

    names: dict[str, str]
    header: bool
    suffix: str
    ids: str
    times: str
    extras: tuple[str, ...]
    tables: tuple[str, ...]
    order: int

    def write(self, directory: Path) -> None:
        events = [self._event(number) for number in range(240)]
        self._table(directory / f"{'events' if self.header else 'a'}.{self.suffix}", events)
        if "candidates" in self.tables:
            self._table(directory / f"{'items' if self.header else 'b'}.{self.suffix}", [
                {"candidate": self._candidate(n), "title": f"The long story of number {n}", "price": n + 0.5}
                for n in range(40)
            ])  # fmt: skip
        if "queries" in self.tables:
            self._table(directory / f"{'people' if self.header else 'c'}.{self.suffix}", [
                {"query": self._query(n), "age": 20 + n % 50} for n in range(60)
            ])  # fmt: skip

    def _query(self, number: int) -> object:
        return {"int": 7000 + number, "padded": f"{number:05d}", "coded": f"q{number}", "float": f"{9000 + number}.0"}[
            self.ids
        ]

    def _candidate(self, number: int) -> object:
        return {"int": number + 1, "padded": f"0{3000 + number}", "coded": f"X-{number}", "float": 500 + number}[
            self.ids
        ]

    def _event(self, number: int) -> dict[str, object]:
        moment = 1_600_000_000 + number * 7919
        row = {
            "query": self._query(number * 13 % 60),
            "candidate": self._candidate((number * 31 + number // 60 * 7) % 40),
        }
        if self.times:
            row["time"] = {
                "s": moment, "ms": moment * 1000, "iso": datetime.fromtimestamp(moment, UTC).isoformat(sep=" ")[:19],
                "day": datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d"),
            }[self.times]  # fmt: skip
        values = {"weight": 1 + number % 5, "channel": 1 + number % 2, "quantity": 1 + number % 9, "price": number / 4}
        return row | {name: values[name] for name in self.extras}

    def _table(self, path: Path, rows: list[dict[str, object]]) -> None:
        roles = list(rows[0])
        roles = roles[self.order % len(roles) :] + roles[: self.order % len(roles)]
        named = [{self.names[role]: row[role] for role in roles} for row in rows]
        content = self._content(named)
        path.write_bytes(PACKED[path.suffix](content) if path.suffix in PACKED else content)

    def _content(self, rows: list[dict[str, object]]) -> bytes:
        if self.suffix == "parquet":
            stream = io.BytesIO()
            pq.write_table(pa.Table.from_pylist(rows), stream)
            return stream.getvalue()
        if self.suffix == "array.json":
            return json.dumps(rows, ensure_ascii=False).encode()
        if self.suffix.startswith("json"):
            return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        text = io.StringIO()
        delimiter = {"tsv": "\t", "semicolon.csv": ";", "colons.dat": "\0"}.get(self.suffix, ",")
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
        writer.writerows([list(rows[0])] if self.header else [])
        writer.writerows(row.values() for row in rows)
        return text.getvalue().replace("\0", "::").encode()


@st.composite
def worlds(draw) -> World:
    suffix = draw(st.sampled_from(FORMATS))
    delimited = not suffix.startswith(("json", "array", "parquet"))
    return World(
        names=dict(zip(ROLES, NAMES[draw(st.sampled_from(sorted(NAMES)))].split(), strict=True)),
        header=draw(st.booleans()) if delimited else True,
        suffix=suffix,
        ids=draw(st.sampled_from(("int", "padded", "coded", "float"))),
        times=draw(st.sampled_from(("", "s", "ms", "iso", "day"))),
        extras=tuple(draw(st.lists(st.sampled_from(("weight", "channel", "quantity", "price")), unique=True))),
        tables=tuple(draw(st.lists(st.sampled_from(("queries", "candidates")), unique=True))),
        order=draw(st.integers(0, 5)),
    )


def drafted(directory: Path) -> dict:
    """The draft, after `validate` has accepted it."""
    file = directory / "draft.yaml"
    file.write_text(infer_draft([str(directory)]).text(written_to=file), encoding="utf-8")
    load_config(file)
    return yaml.safe_load(file.read_text(encoding="utf-8"))


@settings(max_examples=80)
@given(worlds())
def test_a_draft_is_accepted_and_right(world):
    with tempfile.TemporaryDirectory() as directory:
        world.write(Path(directory))
        document = drafted(Path(directory))
    data = document["data"]
    columns = data["interactions"]["columns"]
    if world.header:
        roles = {"query_id": "query", "candidate_id": "candidate", "timestamp": "time", "weight": "weight"}
        there = {"query", "candidate", *world.extras, *(["time"] if world.times else [])}
        assert columns == {role: world.names[name] for role, name in roles.items() if name in there}
        assert {"queries", "candidates"} & data.keys() == set(world.tables)
    elif "candidates" in world.tables:
        place = list(data["interactions"]["names"]).index(columns["candidate_id"])
        assert place == (1 - world.order) % len(data["interactions"]["names"])
        assert "candidates" in data
    assert ("timestamp" in columns) == bool(world.times)


@settings(max_examples=60)
@given(st.binary(max_size=300), st.sampled_from(("", "PAR1", "{", '[{"a": 1}', "a,b\n", "a\tb\n1\t2\n", '"', "\ufeff")),
       st.sampled_from(("x", "x.csv", "x.json", "x.parquet", "x.csv.gz", "x.zst")))  # fmt: skip
def test_no_file_ends_in_a_traceback(content, beginning, name):
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / name).write_bytes(beginning.encode() + content)
        for path in (directory, str(Path(directory) / name)):
            with suppress(ConfigError):
                infer_draft([path])


@pytest.mark.parametrize("suffix", ["semicolon.csv", "json.gz"])
def test_a_draft_runs(tmp_path, suffix):
    names = dict(zip(ROLES, NAMES["german"].split(), strict=True))
    world = World(names, True, suffix, "coded", "iso", ("weight", "price"), ("queries", "candidates"), 2)
    world.write(tmp_path)
    config = tmp_path / "mine.yaml"
    assert cli("init", tmp_path, "-o", config).code == 0
    for step in ("ExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "Transform"):
        result = cli("run", config, "--root", tmp_path / "runs", "--only", step)
        assert result.code == 0, result.err
