import shutil
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager

import apache_beam as beam
import pytest
import yaml
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions, SetupOptions, WorkerOptions
from pydantic import TypeAdapter, ValidationError

from dataplane.beam_runner import AnyRunner, BeamConfig, Dataflow, Flink, InProcess, MultiProcess
from dataplane.beam_runner.addresses import free_port
from dataplane.beam_runner.failures import as_raised
from dataplane.errors import ConfigError, DataError, RunError
from tests.paths import PROJECT

RUNNERS = TypeAdapter(AnyRunner)


class Refuse(beam.DoFn):
    def process(self, row: int) -> Iterator[int]:
        if row < 0:
            raise DataError(f"ratings.csv:\nrow {row} is broken")
        yield 1 // row


@pytest.mark.parametrize("runner", [InProcess(), MultiProcess(workers=1)])
def test_errors_of_a_step_arrive_as_they_were_raised(runner: BeamConfig) -> None:
    with pytest.raises(DataError) as caught, runner.pipeline() as pipeline:
        _ = pipeline | beam.Create([-1]) | beam.ParDo(Refuse())
    assert str(caught.value) == "ratings.csv:\nrow -1 is broken"


def test_unknown_errors_are_not_changed() -> None:
    with pytest.raises(ZeroDivisionError), InProcess().pipeline() as pipeline:
        _ = pipeline | beam.Create([0]) | beam.ParDo(Refuse())


WORKER = """java.lang.RuntimeException: Error received from SDK harness for 5: Traceback (most recent call last):
  File "steps.py", line 8, in process
{kind}: {message} [while running 'Look']
\tat java.base/java.util.concurrent.CompletableFuture.reportGet(CompletableFuture.java:396)
"""
BROKEN = """java.lang.RuntimeException: The Runner experienced the following error during execution:
\tat org.apache.beam.Foo.bar(Foo.java:1)
Caused by: java.lang.IllegalStateException: Process died with exit code 137
"""


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (WORKER.format(kind="dataplane.errors.DataError", message="a.csv:\nrow 7"), DataError, "a.csv:\nrow 7"),
        (WORKER.format(kind="OSError", message="[Errno 28] No space left"), OSError, "[Errno 28] No space left"),
        (BROKEN, RunError, "the Beam runner failed: java.lang.IllegalStateException: Process died with exit code "
         "137; see the run's log for details"),
    ],
)  # fmt: skip
def test_reports_of_other_processes_become_our_errors(text, kind, message):
    with pytest.raises(kind) as caught, as_raised():
        raise RuntimeError(text)
    assert type(caught.value) is kind
    assert str(caught.value) == message


def test_a_bug_in_a_worker_is_not_reported_as_a_failure_of_the_runner():
    with pytest.raises(RuntimeError, match="KeyError: 'x'"), as_raised():
        raise RuntimeError(WORKER.format(kind="KeyError", message="'x'"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"runner": "in_process", "workers": 2}, "unknown key 'workers'"),
        ({"runner": "multi_process", "parallelism": 2}, "unknown key 'parallelism'"),
        ({"runner": "flink", "workers": 2}, "unknown key 'workers'"),
        ({"runner": "samza"}, "'samza'"),
        ({"runner": "flink", "master": "flink"}, "master"),
        ({"runner": "flink", "master": "far:8081"}, "allowed: process, external"),
        ({"runner": "flink", "environment": "external"}, "needs worker_pool"),
        ({"runner": "flink", "worker_command": "/w"}, "worker_command needs environment: process, not loopback"),
        ({"runner": "flink", "sdk_worker_parallelism": 2}, "sdk_worker_parallelism needs"),
        ({"runner": "spark", "flink_version": "1.19"}, "unknown key 'flink_version'"),
        ({"runner": "spark", "master": "far:7077"}, "allowed: process, external"),
        ({"runner": "dataflow", "project": "p", "region": "r", "temp_location": "gs://b/t"}, "sdk_container_image"),
    ],
)
def test_options_of_other_runners_and_contradictory_options_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        RUNNERS.validate_python(values)


FILES = sorted((PROJECT / "tfx_config" / "runners").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_runner_file_configures_the_runner_it_is_named_after(file):
    config = RUNNERS.validate_python(yaml.safe_load(file.read_text())["beam"])
    assert file.stem.startswith(config.runner)


def test_every_runner_has_a_file():
    found = {RUNNERS.validate_python(yaml.safe_load(file.read_text())["beam"]).runner for file in FILES}
    assert found == {"in_process", "multi_process", "flink", "spark", "dataflow"}


def test_a_spark_master_that_does_not_listen_is_refused():
    config = RUNNERS.validate_python({"runner": "spark", "master": f"localhost:{free_port()}"})
    with pytest.raises(ConfigError, match="no Spark master listens at localhost:"):
        config.check_cluster()


def flink(**settings) -> Flink:
    return Flink(runner="flink", **settings)


@pytest.fixture
def java(tmp_path, monkeypatch):
    """A fake Java that only prints its version; `java(8)` makes it an old one."""

    def install(version):
        (tmp_path / "bin").mkdir(exist_ok=True)
        program = tmp_path / "bin" / "java"
        program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    install("17.0.1")
    return install


def refused(config, match):
    began = time.perf_counter()
    with pytest.raises(ConfigError, match=match):
        config.check()
    assert time.perf_counter() - began < 1


def test_missing_and_old_java_are_refused(java, tmp_path):
    java("1.8.0_392")
    refused(flink(), "needs Java 11 or newer.*is Java 8")
    shutil.rmtree(tmp_path / "bin")
    refused(flink(), "flink needs Java, but there is no command .*; install Java 11 or 17")


def test_a_missing_jar_or_worker_is_refused(java, tmp_path):
    refused(flink(job_server_jar=tmp_path / "no.jar"), "job_server_jar: there is no file")
    (tmp_path / "text.jar").write_text("not a zip file")
    refused(flink(job_server_jar=tmp_path / "text.jar"), "text.jar is not a jar")
    refused(flink(environment="process", worker_command=tmp_path / "no"), "worker_command: there is no")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        pool = f"localhost:{free.getsockname()[1]}"
    refused(flink(environment="external", worker_pool=pool), "nothing listens at.*worker_pool_main")


def test_a_cluster_that_does_not_answer_is_refused(java, tmp_path):
    jar = shutil.make_archive(str(tmp_path / "server"), "zip", tmp_path / "bin")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        master = f"localhost:{free.getsockname()[1]}"
    refused(flink(master=master, job_server_jar=jar), "no Flink cluster answers at")


def test_workers_that_do_not_see_our_files_are_reported(tmp_path):
    root = tmp_path / "runs"

    class Elsewhere(InProcess):
        @contextmanager
        def pipeline(self):
            with super().pipeline() as pipeline:
                yield pipeline
                for file in root.glob(".workers-*/*"):
                    file.unlink()

    from dataplane.beam_runner.shared_files import check_shared_files

    check_shared_files(InProcess(), root)
    assert list(root.iterdir()) == []
    with pytest.raises(RunError, match=r"does not see .*runs: the root must"):
        check_shared_files(Elsewhere(), root)


def test_dataflow_options_are_those_of_beam(tmp_path):
    config = Dataflow(
        runner="dataflow",
        project="p",
        region="r",
        temp_location="gs://b/temp",
        sdk_container_image="image",
        setup_file=tmp_path / "setup.py",
        machine_type="n2",
        max_num_workers=7,
        subnetwork="s",
        use_public_ips=False,
    )
    options = PipelineOptions(flags=config.flags())
    assert options.view_as(GoogleCloudOptions).project == "p"
    assert options.view_as(GoogleCloudOptions).temp_location == "gs://b/temp"
    workers = options.view_as(WorkerOptions)
    assert (workers.machine_type, workers.max_num_workers, workers.subnetwork) == ("n2", 7, "s")
    assert (workers.sdk_container_image, workers.use_public_ips) == ("image", False)
    assert options.view_as(SetupOptions).setup_file == str(tmp_path / "setup.py")
    refused(config, r"tfrs-pipeline\[gcp\]|setup_file")
