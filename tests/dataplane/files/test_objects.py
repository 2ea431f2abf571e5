"""Objects are written whole, read and removed the same way in every store."""

from pathlib import Path

import pytest

from dataplane.errors import ConfigError, RunError
from dataplane.files import object_store, objects, storage


@pytest.fixture(params=["s3", "gs"])
def directory(request: pytest.FixtureRequest) -> str:
    """The URI of an empty directory."""
    return str(request.getfixturevalue(f"{request.param}_bucket")) + "/data"


def test_compressed_files_are_kept_as_they_are(directory: str) -> None:
    objects.write_bytes(f"{directory}/a.gz", b"not packed once more")
    assert objects.read_bytes(f"{directory}/a.gz") == b"not packed once more"


def test_what_is_not_there(directory: str, tmp_path: Path) -> None:
    assert objects.list_directories(directory) == []
    objects.delete(f"{directory}/b.csv")
    objects.delete_tree(directory)
    with pytest.raises(RunError, match=r"b\.csv cannot be read") as refused:
        objects.read_bytes(f"{directory}/b.csv")
    assert isinstance(refused.value.__cause__, FileNotFoundError)
    with pytest.raises(RunError, match=r"b\.csv cannot be read: .*([Nn]o such object|does not exist|not found)"):
        objects.download(f"{directory}/b.csv", tmp_path / "b.csv")


def test_upload_and_delete(directory: str, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"w" * 3_000_000)
    objects.upload(tmp_path / "weights", f"{directory}/1/weights")
    objects.write_bytes(f"{directory}/2/other", b"o")
    objects.write_bytes(f"{directory}/2/another", b"a")
    found = storage.stat(f"{directory}/1/weights")
    assert found is not None
    assert found.size == 3_000_000
    assert objects.list_directories(directory) == ["1", "2"]
    objects.delete_tree(f"{directory}/1")
    objects.delete(f"{directory}/2/another")
    assert [file.location for file in storage.list_files(directory)] == [f"{directory}/2/other"]
    assert objects.list_directories(directory) == ["2"]


def test_a_tree_is_downloaded_with_its_directories(directory: str, tmp_path: Path) -> None:
    contents = {"a": b"1", "variables/é b": b"2" * 1000, "variables/deep/c.gz": b"3"}
    for name, content in contents.items():
        objects.write_bytes(f"{directory}/1/{name}", content)
    objects.write_bytes(f"{directory}/10/other", b"o")
    objects.download_tree(f"{directory}/1", tmp_path / "1")
    copies = [path for path in (tmp_path / "1").rglob("*") if path.is_file()]
    assert {str(path.relative_to(tmp_path / "1")): path.read_bytes() for path in copies} == contents


def test_a_store_that_cannot_be_reached(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(RunError, match="the store cannot be reached") as refused:
        objects.write_bytes(f"{s3_bucket}/a", b"1")
    assert "secret-of-tests" not in str(refused.value)


def test_google_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    monkeypatch.setattr(object_store, "_CONNECT_SECONDS", 0.1)
    with pytest.raises(RunError, match="the store cannot be reached"):
        objects.read_bytes("gs://bucket/a")


def test_a_bucket_that_does_not_exist(s3_bucket: str) -> None:
    with pytest.raises(RunError, match=r"cannot be written: .*bucket does not exist"):
        objects.write_bytes(s3_bucket + "x/a", b"1")


def test_an_endpoint_with_credentials_is_refused(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://someone:hunter2@127.0.0.1:9")
    with pytest.raises(ConfigError, match="must not hold credentials") as refused:
        objects.read_bytes(f"{s3_bucket}/a")
    assert "hunter2" not in str(refused.value)
