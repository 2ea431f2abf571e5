"""Java, job servers and credentials: whether they are there, never what they are."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from dataplane.beam_runner.java import java_command
from pipeline.diagnosis.finding import Finding

_JOB_SERVERS = "tfrs-pipeline/*-job-server.jar"
_BEAM_JARS = ".apache_beam/cache/jars/*job-server*.jar"


def services(environment: Mapping[str, str], home: Path) -> list[Finding]:
    """Java, job servers and credentials.

    Args:
        environment: the environment variables.
        home: the home directory.
    """
    cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    jars = [*sorted(cache.glob(_JOB_SERVERS)), *sorted(home.glob(_BEAM_JARS))]
    told = ", ".join(map(str, jars)) or "none; fetched when a Flink or Spark runner first needs one"
    return [_java(), Finding("job servers", told), _amazon(environment, home), _google(environment, home)]


def _java() -> Finding:
    command = java_command()
    if shutil.which(command) is None:
        fix = "set JAVA_HOME to a Java 11 or 17, or unset it" if os.environ.get("JAVA_HOME") else ""
        return Finding("Java", "none; only the runners flink and spark need it", fix)
    told = subprocess.run([command, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603
    return Finding("Java", (told.strip().splitlines() or ["does not tell its version"])[0])


def _amazon(environment: Mapping[str, str], home: Path) -> Finding:
    key, secret = ("AWS_ACCESS_KEY_ID" in environment, "AWS_SECRET_ACCESS_KEY" in environment)
    file = Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials")
    there = [name for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE") if name in environment]
    there += [str(file)] if file.exists() else []
    fix = "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither" if key != secret else ""
    return Finding("credentials s3", ", ".join(there) or "none here; a machine's role is not looked for", fix)


def _google(environment: Mapping[str, str], home: Path) -> Finding:
    named = environment.get("GOOGLE_APPLICATION_CREDENTIALS")
    file = home / ".config" / "gcloud" / "application_default_credentials.json"
    there = ["GOOGLE_APPLICATION_CREDENTIALS"] if named else []
    there += [str(file)] if file.exists() else []
    fix = "GOOGLE_APPLICATION_CREDENTIALS names a file that is not there" if named and not Path(named).exists() else ""
    return Finding("credentials gs", ", ".join(there) or "none here; a machine's account is not looked for", fix)
