"""Drafts for exports of databases and spreadsheets: dialects, encodings, dates, ids, and misleading names."""

import datetime
import decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from dataplane.errors import ConfigError
from pipeline.config.config import load_config
from tests.pipeline.drafting.drafts import draft_config

START = 1_600_000_000
EVENTS = [(n % 37 + 1, n * 7 % 53 + 1, n % 5 + 1, START + n * 4001) for n in range(400)]


def write(path, rows, header=(), delimiter=",", encoding="utf-8"):
    lines = [delimiter.join(map(str, row)) for row in ([header] if header else []) + list(rows)]
    path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))


@pytest.fixture
def drafted(tmp_path):
    """The draft for the directory of the test, after `validate` has accepted it."""

    def drafted():
        text = draft_config([str(tmp_path)])
        path = tmp_path.parent / "draft.yaml"
        path.write_text(text, encoding="utf-8")
        load_config(path)
        return yaml.safe_load(text)["data"], text

    return drafted


def utc(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


@pytest.mark.parametrize("header", [(), ("user_id", "item_id", "created", "words")])
@pytest.mark.parametrize("delimiter", ["\t", ","])
def test_texts_without_quotes_and_with_escaped_delimiters(tmp_path, drafted, header, delimiter):
    said = [f"nice\\{delimiter}one", "a\\\nb", "c:\\\\x"]
    write(tmp_path / "r.txt", [(u, i, utc(t).isoformat(), said[r % 3]) for u, i, r, t in EVENTS], header, delimiter)
    table = drafted()[0]["interactions"]
    assert (table["quote"], table["escape"]) == (None, "\\")


@pytest.mark.parametrize(
    ("texts", "encoding", "found"),
    [
        ("5.00 €", "cp1252", "cp1252"),
        ("„so“ – gut", "cp1252", "cp1252"),
        ("Größe", "latin-1", "latin-1"),
        ("Größe \x81 €", "latin-1:replace", "latin-1"),
    ],
)
def test_one_byte_encodings_are_distinguished(tmp_path, drafted, texts, encoding, found):
    codec, _, _ = encoding.partition(":")
    text = texts if "replace" not in encoding else texts.replace("€", "\x80")
    write(tmp_path / "events.csv", [(u, i, t) for u, i, _, t in EVENTS], ("user", "item", "ts"))
    write(tmp_path / "items.csv", [(i, f"{text} {i}") for i in range(1, 54)], ("item", "title"), encoding=codec)
    data, text = drafted()
    assert data["candidates"]["encoding"] == found
    assert f"encoding: {found}  # check: guessed" in text


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("%d-%b-%y %I.%M.%S.000000 %p", "%d-%b-%y %I.%M.%S.%f %p"),
        ("%d-%b-%y %I.%M.%S.000000 %p +02:00", "%d-%b-%y %I.%M.%S.%f %p %z"),
        ("%Y-%m-%d-%H.%M.%S.000000", "%Y-%m-%d-%H.%M.%S.%f"),
        ("%Y%m%d%H%M%S", "%Y%m%d%H%M%S"),
    ],
)
def test_times_of_oracle_and_db2(tmp_path, drafted, written, found):
    rows = [(u, i, utc(t).strftime(written).upper()) for u, i, _, t in EVENTS]
    write(tmp_path / "events.csv", rows, ("user", "item", "event_time"))
    table = drafted()[0]["interactions"]
    assert table["columns"]["timestamp"] == "event_time"
    assert table["date_formats"] == {"event_time": found}


def test_times_that_are_not_read_name_the_setting(tmp_path, drafted):
    rows = [(u, i, utc(t).strftime("%a %b %d %Y %H:%M:%S GMT+0100 (CET)")) for u, i, _, t in EVENTS]
    write(tmp_path / "events.csv", rows, ("user", "item", "event_time"))
    assert "if they are times, give their format in date_formats" in drafted()[1]


@pytest.mark.parametrize("key", ["categoryid", "Genre_ID", "farbe_id"])
def test_a_table_of_something_else_is_not_joined_by_chance(tmp_path, drafted, key):
    write(tmp_path / "events.csv", [(t, u, i) for u, i, _, t in EVENTS], ("timestamp", "visitorid", "itemid"))
    write(tmp_path / "tree.csv", [(n, n // 3) for n in range(1, 60)], (key, "parentid"))
    data, text = drafted()
    assert "candidates" not in data
    assert "not used: tree.csv" in text


@pytest.mark.parametrize("name", ["movie_id", "title_id"])
def test_a_table_of_titles_is_joined(tmp_path, drafted, name):
    write(tmp_path / "events.csv", [(u, i, t) for u, i, _, t in EVENTS], ("user_id", name, "ts"))
    write(tmp_path / "titles.csv", [(n, f"A thing {n}") for n in range(1, 60)], ("title_id", "name"))
    assert drafted()[0]["candidates"]["id"] == "title_id"


@pytest.mark.parametrize("sexes", ["MF", ("male", "female"), ("m", "w", "d")])
def test_people_are_recognised_by_their_sex_if_nothing_is_named(tmp_path, drafted, sexes):
    write(tmp_path / "a.txt", [(t, i, u, r) for u, i, r, t in EVENTS], delimiter="|")
    write(tmp_path / "b.txt", [(f"Titel {i}", i, "xyz"[i % 3]) for i in range(1, 54)], delimiter="|")
    write(tmp_path / "c.txt", [(u, sexes[u % len(sexes)], u % 9 + 18) for u in range(1, 38)], delimiter="|")
    data, _ = drafted()
    columns = data["interactions"]["columns"]
    assert columns == {"query_id": "column3", "candidate_id": "column2", "timestamp": "column1", "weight": "column4"}
    assert data["queries"]["path"] == "c.txt"


@pytest.mark.parametrize("back", ["Retoure", "Rückgabe", "annulé", "refund"])
def test_returns_have_weight_0(tmp_path, back):
    kinds = ["Ansicht", "Kauf", back]
    rows = [(u, i, t, kinds[r % 3]) for u, i, r, t in EVENTS]
    write(tmp_path / "events.csv", rows, ("Kunde", "Produkt", "Zeit", "Aktion"))
    weights = yaml.safe_load(draft_config([str(tmp_path)]))["training"]["event_weights"]["weights"]
    assert weights == {"Ansicht": 1, "Kauf": 5, back: 0}


@pytest.mark.parametrize("every", [3, 50])
def test_kinds_that_some_events_lack_are_not_used(tmp_path, drafted, every):
    kinds = [kind if n % every else "" for n, kind in enumerate(["click", "add_to_cart", "purchase", "click"] * 100)]
    rows = [(u, i, t, kind) for (u, i, _, t), kind in zip(EVENTS, kinds, strict=True)]
    write(tmp_path / "events.csv", rows, ("user_id", "item_id", "ts", "action"))
    text = drafted()[1]
    assert "action is the kind of event, but some events have none: no event_weights" in text
    assert "action: {type" not in text


@pytest.mark.parametrize("name", ["units", "pieces", "Stückzahl", "unidades"])
def test_quantities_under_other_names_are_not_weights(tmp_path, drafted, name):
    write(tmp_path / "sales.csv", [(u, i, r, t) for u, i, r, t in EVENTS], ("clientId", "sku", name, "ts"))
    assert "weight" not in drafted()[0]["interactions"]["columns"]


@pytest.mark.parametrize("least", [10**19, 10**30])
def test_decimal_ids_of_more_than_64_bits(tmp_path, drafted, least):
    kinds = {"CUSTOMER_ID": [least + u for u, *_ in EVENTS], "PRODUCT_ID": [least + e[1] for e in EVENTS]}
    columns = {name: pa.array(map(decimal.Decimal, ids), pa.decimal128(38, 0)) for name, ids in kinds.items()}
    pq.write_table(pa.table({**columns, "TS": [t for *_, t in EVENTS]}), tmp_path / "events.parquet")
    columns = drafted()[0]["interactions"]["columns"]
    assert columns == {"query_id": "CUSTOMER_ID", "candidate_id": "PRODUCT_ID", "timestamp": "TS"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"sep=;\r\nuser;item\r\n1;2\r\n", "begins with 'sep=;', which only Excel understands: remove that line"),
        (b"user,item\n1,2\0\n", "neither text nor Parquet (byte 13 is zero)"),
    ],
)
def test_files_that_are_almost_text_are_refused_with_the_reason(tmp_path, content, message):
    (tmp_path / "events.csv").write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        draft_config([str(tmp_path / "events.csv")])
    assert message in str(refused.value)
