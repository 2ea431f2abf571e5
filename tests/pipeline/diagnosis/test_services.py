from pathlib import Path

import pytest

from pipeline.diagnosis.finding import Finding
from pipeline.diagnosis.services import services


def findings(home: Path, **environment: str) -> dict[str, Finding]:
    return {found.name: found for found in services(environment, home)}


def test_credentials_are_told_to_be_there_and_never_what_they_are(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("[default]\naws_secret_access_key = VERYSECRET\n")
    key = tmp_path / "key.json"
    key.write_text("VERYSECRET")
    found = findings(
        tmp_path,
        AWS_ACCESS_KEY_ID="VERYSECRET",
        AWS_SECRET_ACCESS_KEY="VERYSECRET",
        GOOGLE_APPLICATION_CREDENTIALS=str(key),
    )
    amazon = f"AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, {tmp_path / '.aws' / 'credentials'}"
    assert found["credentials s3"] == Finding("credentials s3", amazon)
    assert found["credentials gs"] == Finding("credentials gs", "GOOGLE_APPLICATION_CREDENTIALS")
    assert "VERYSECRET" not in str(found)


def test_half_of_a_credential_is_to_be_mended(tmp_path: Path) -> None:
    found = findings(tmp_path, AWS_ACCESS_KEY_ID="a", GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "gone.json"))
    assert found["credentials s3"].fix.startswith("set both")
    assert found["credentials gs"].fix.endswith("names a file that is not there")


def test_nothing_there_is_no_fault(tmp_path: Path) -> None:
    found = findings(tmp_path)
    assert found["credentials s3"].found.startswith("none")
    assert found["job servers"].found.startswith("none")
    assert not any(each.fix for name, each in found.items() if name != "Java")


def test_job_servers_are_found_where_make_and_beam_put_them(tmp_path: Path) -> None:
    made = tmp_path / ".cache" / "tfrs-pipeline" / "flink-job-server.jar"
    fetched = tmp_path / ".apache_beam" / "cache" / "jars" / "beam-runners-spark-3-job-server-2.77.0.jar"
    for jar in (made, fetched):
        jar.parent.mkdir(parents=True)
        jar.touch()
    assert findings(tmp_path)["job servers"].found == f"{made}, {fetched}"


def test_a_java_home_without_java_is_to_be_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert "JAVA_HOME" in findings(tmp_path)["Java"].fix
