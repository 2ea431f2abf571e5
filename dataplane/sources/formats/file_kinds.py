"""Recognises compressed files and foreign formats by their first bytes."""

from dataclasses import dataclass

HEAD = 512
"""Number of first bytes that identify a format."""

PACKED_SUFFIXES = (".gz", ".zst", ".bz2", ".xz", ".zip")
"""Suffixes of compressed files. Only directory listings use them; reading goes by content."""

_PACKINGS = (
    ("gzip", b"\x1f\x8b"),
    ("bzip2", b"BZh"),
    ("xz", b"\xfd7zXZ\x00"),
    ("zstd", b"\x28\xb5\x2f\xfd"),
    ("zip", b"PK\x03\x04"),
    ("zip", b"PK\x05\x06"),
)
_BZIP2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")
_EXPORT, _UNPACK = "export its table as CSV", "unpack it"
_FORMATS = (
    (0, b"PAR1", "a Parquet file", "set 'format: parquet'"),
    (0, b"PARE", "an encrypted Parquet file", "write it without encryption"),
    (0, b"Obj\x01", "an Avro file", "write its rows as Parquet, CSV or JSON lines"),
    (0, b"ARROW1\x00\x00", "an Arrow (Feather) file", "write its rows as Parquet"),
    (0, b"FEA1", "a Feather file", "write its rows as Parquet"),
    (0, b"SQLite format 3\x00", "a SQLite database", _EXPORT),
    (0, b"PGDMP", "a dump of PostgreSQL", _EXPORT),
    (0, b"--\n-- PostgreSQL database dump", "a dump of PostgreSQL", _EXPORT),
    (0, b"-- MySQL dump", "a dump of MySQL", _EXPORT),
    (0, b"-- MariaDB dump", "a dump of MariaDB", _EXPORT),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (.xls)", "save its sheet as CSV"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file", _EXPORT),
    (0, b"\x93NUMPY", "a NumPy array", _EXPORT),
    (0, b"\x80\x02", "a Python pickle", _EXPORT),
    (0, b"\x80\x03", "a Python pickle", _EXPORT),
    (0, b"\x80\x04", "a Python pickle", _EXPORT),
    (0, b"\x80\x05", "a Python pickle", _EXPORT),
    (0, b"%PDF-", "a PDF document", _EXPORT),
    (0, b"\xff\x06\x00\x00sNaPpY", "compressed with Snappy", _UNPACK),
    (0, b"\x04\x22\x4d\x18", "compressed with LZ4", _UNPACK),
    (0, b"\x89LZO\x00", "compressed with lzop", _UNPACK),
    (0, b"\x1f\x9d", "compressed with compress (.Z)", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "fetch it with 'git lfs pull'"),
)
_PAGES = (b"<!doctype", b"<html", b"<head", b"<body")


@dataclass(frozen=True)
class Foreign:
    """A file of another format than the settings say.

    Attributes:
        what: name of the format, with its article.
        remedy: what the user should do.
    """

    what: str
    remedy: str


def packing_of(head: bytes) -> str:
    """Compression of a file: `gzip`, `bzip2`, `xz`, `zstd` or `zip`; empty if the file is not compressed."""
    if len(head) >= 4 and 0x50 <= head[0] <= 0x5F and head[1:4] == b"\x2a\x4d\x18":
        return "zstd"  # a skippable frame before the first data frame
    for packing, magic in _PACKINGS:
        if head.startswith(magic):
            return packing if packing != "bzip2" or head[4:10] in _BZIP2_BLOCKS else ""
    return ""


def foreign_to_text(head: bytes) -> Foreign | None:
    """Recognises formats that are not text tables; None for text and for unknown formats."""
    for offset, magic, what, remedy in _FORMATS:
        if head.startswith(magic, offset):
            return Foreign(what, remedy)
    if head.startswith(b"ORC") and is_binary(head[3:]):  # column names may begin with ORC, too
        return Foreign("an ORC file", "write its rows as Parquet, CSV or JSON lines")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(_PAGES):
        return Foreign("an HTML page, probably a server's error page", "download the data again")
    if start.startswith(b"<?xml"):
        return Foreign("an XML document", "write its rows as CSV; if it reports an error, download the data again")
    return None


def foreign_to_parquet(head: bytes) -> Foreign | None:
    """Recognises formats other than Parquet; None for files that may be Parquet, damaged or not."""
    if head.startswith(b"PAR1"):
        return None
    if packing := packing_of(head):
        return Foreign(f"packed with {packing}", "unpack it")
    if found := foreign_to_text(head):
        return found
    if not is_binary(head):
        formats = "'format: jsonl'" if head.lstrip()[:1] in (b"{", b"[") else "'format: csv'"
        return Foreign("text", f"set {formats}")
    return None


def is_binary(head: bytes) -> bool:
    """Whether bytes are not text. Only zero bytes count, because Hive writes the other control characters in text."""
    return b"\x00" in head
