"""Credentials in locations are refused, and replaced in whatever is shown."""

import logging

import pytest

from dataplane.errors.credentials import RedactingFormatter, redacted
from dataplane.files.storage import check_uri

WITH_SECRETS = [
    "s3://KEYID:HUSH@bucket/a.csv",
    "s3://KEYID:HU/SH+HUSH=@bucket/a.csv",
    "s3://KEYID:HUSH/a.csv",
    "s3://KEYID:HUSH",
    "gs://HUSH@bucket/a.csv",
    "S3://KEYID:HUSH@bucket/a.csv",
    "s3a://KEYID:HUSH@bucket/a.csv",
    "https://user:HUSH@host:8080/a.csv",
    "s3://KEYID%3AHUSH%40bucket/a.csv",
    "s3://KEYID%253AHUSH%2540bucket/a.csv",
    "s3://KEYID:HUSH%40bucket/a.csv",
    "s3://bucket/a.csv?access_key=HUSH&secret_key=HUSH",
    "s3://bucket?secret_key=HUSH",
    "s3://bucket/a.csv#secret_key=HUSH",
    "gs://bucket/a.csv#HUSH",
    "s3://bucket/a.csv%3Fsecret_key%3DHUSH",
    "https://bucket.s3.amazonaws.com/a.csv?X-Amz-Credential=HUSH&X-Amz-Signature=HUSH",
    "gs://bucket/a.csv?X-Goog-Signature=HUSH",
    "https://account.blob.core.windows.net/c/a.csv?sv=2022&sig=HUSH",
]
CLEAN = [
    "s3://bucket/a.csv",
    "gs://my.bucket-1/dt=2026-11-*/part-?.csv",
    "s3://bucket/user@example.com/a.csv",
    "s3://bucket/100%/a.csv",
    "/data/user@host/a?.csv",
    "data/a=1/b.csv",
]


@pytest.mark.parametrize("location", WITH_SECRETS)
def test_a_location_with_credentials_is_refused_and_never_shown(location):
    with pytest.raises(ValueError, match=r"credentials|not supported") as error:
        check_uri(location)
    assert "HUSH" not in str(error.value)
    collapsed = location.replace("://", ":/")  # as a path shows it
    for place in (location, collapsed, f"x={location},y=s3://bucket", f"{{path: '{location}'}}", repr(location)):
        text = redacted(f"before {place} after {place}")
        assert "HUSH" not in text
        assert text.startswith("before ")
        assert " after " in text


@pytest.mark.parametrize("location", CLEAN)
def test_other_locations_are_fine_and_shown_as_they_are(location):
    check_uri(location)
    text = f"no file matches '{location}' at http://127.0.0.1:8080/x, nor [::1]:80; 10:/30"
    assert redacted(text) == text


@pytest.mark.parametrize("location", ["s3:/bucket/a.csv", "GS:bucket/a.csv", "s3a:/KEYID:HUSH@bucket"])
def test_half_a_uri_is_no_local_path(location):
    with pytest.raises(ValueError, match="write a URI as gs://BUCKET/PATH") as error:
        check_uri(location)
    assert "HUSH" not in str(error.value)


def test_an_example():
    text = "s3://KEY:SECRET@bucket/a.csv?token=x cannot be read (a.csv?secret_key=x&b=1)"
    assert redacted(text) == "s3://***@bucket/a.csv?*** cannot be read (a.csv?secret_key=***&b=1)"


def test_log_records_and_their_tracebacks_have_none():
    try:
        raise ValueError("s3://KEYID:HUSH@bucket")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "got %s", ("gs://HUSH@bucket",), info)
    text = RedactingFormatter("%(message)s").format(record)
    assert "Traceback" in text
    assert "HUSH@" not in text.replace('ValueError("s3://KEYID:HUSH@bucket")', ""), "but for this file's source"
