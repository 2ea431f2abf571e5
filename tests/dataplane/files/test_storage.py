"""Files are found and read the same way at local paths and in an object store."""

import subprocess
import sys

import pytest

from dataplane.errors import RunError
from dataplane.files import storage
from tests.stored import write


@pytest.fixture(params=["local", "s3", "gs"])
def directory(request, tmp_path):
    """An empty directory."""
    if request.param == "local":
        return str(tmp_path / "data")
    return request.getfixturevalue(f"{request.param}_bucket") + "/data"


def test_what_is_written_is_found_and_read(directory):
    write(storage.join(directory, "b.csv"), b"u,i\n1,2\n")
    write(storage.join(directory, "dt=1", "é a.csv"), b"x" * 1000)
    found = [(file.location, file.size) for file in storage.list_files(directory)]
    assert found == [(f"{directory}/b.csv", 8), (f"{directory}/dt=1/é a.csv", 1000)]
    here = storage.list_files(directory, descend=lambda name: name != "dt=1")
    assert [file.location for file in here] == [f"{directory}/b.csv"]
    with storage.open_input(f"{directory}/b.csv") as stream:
        assert stream.read() == b"u,i\n1,2\n"
        stream.seek(4)
        assert stream.readline() == b"1,2\n"


def test_what_is_not_there(directory):
    assert storage.stat(f"{directory}/b.csv") is None
    assert storage.list_files(directory) == []
    with pytest.raises(FileNotFoundError):
        storage.open_random_access(f"{directory}/b.csv")
    write(f"{directory}/b.csv", b"1")
    assert storage.stat(directory) is None, "a directory is no file"
    assert storage.stat(f"{directory}/b.csv").size == 1


def test_the_version_changes_with_the_content(directory):
    location = f"{directory}/b.csv"
    write(location, b"1")
    [before] = storage.versions([location])
    assert storage.versions([location]) == [before]
    write(location, b"2")
    assert storage.versions([location]) != [before]
    with pytest.raises(RunError, match=r"c\.csv cannot be looked at"):
        storage.versions([f"{directory}/c.csv"])


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("s3://AKIA123:hunter2@bucket/a.csv", "must not hold credentials"),
        ("gs://token@bucket/a.csv", "must not hold credentials"),
        ("hdfs://server/a.csv", "'hdfs://' is not supported"),
        ("https://server/a.csv", "'https://' is not supported"),
        ("s3:///a.csv", "name of a bucket"),
        ("s3://bucket?secret_key=hunter2/a.csv", "credentials or options"),
    ],
)
def test_refused_uris_are_not_repeated(uri, told):
    with pytest.raises(ValueError, match=told) as refused:
        storage.check_uri(uri)
    assert "hunter2" not in str(refused.value)
    assert "token" not in str(refused.value)


@pytest.mark.parametrize("location", ["/data/a@b.csv", "data/a.csv", "s3://bucket/a@b.csv", "gs://my.bucket-1"])
def test_accepted_locations(location):
    storage.check_uri(location)


def test_a_store_that_cannot_be_reached(s3_bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(RunError, match="the store cannot be reached") as refused:
        storage.list_files(s3_bucket)
    assert "secret-of-tests" not in str(refused.value)


def test_a_bucket_that_does_not_exist(s3_bucket):
    assert storage.list_files(s3_bucket + "x") == []


def test_pyarrow_is_imported_only_for_uris(tmp_path):
    code = (
        "import sys; from dataplane.files import storage; "
        f"storage.list_files({str(tmp_path)!r}); print('pyarrow' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "False"
