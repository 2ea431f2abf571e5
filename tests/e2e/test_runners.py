"""The same answer on every Beam runner, whatever the number of shards and workers; and workers that die."""

import os
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import apache_beam as beam
import pytest

from dataplane.beam_runner import Flink, InProcess, MultiProcess, Spark
from dataplane.errors import DataError, RunError
from pipeline.execution.metadata import Store
from tests.e2e.runners import (
    FAST_START,
    JOB_SERVER,
    SPARK_JOB_SERVER,
    digests,
    needs_flink,
    needs_spark,
    run_data_steps,
    worker_environment,
    write_data,
)
from tests.paths import PROJECT

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data") / "files")


@pytest.fixture(scope="module")
def expected(data, tmp_path_factory):
    root = tmp_path_factory.mktemp("in_process")
    run_data_steps(data, root, InProcess())
    found = digests(root)
    assert len([name for name in found if "dead_letters" in name]) >= 4
    assert {name.split("/")[0] for name in found} == {"ExampleGen", "StatisticsGen", "SchemaGen", "Transform"}
    return found


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    """`tfrs-beam-worker` of an environment made from the source distribution."""
    return worker_environment(tmp_path_factory.mktemp("sdist"))


def flink(**settings) -> Flink:
    return Flink(runner="flink", job_server_jar=JOB_SERVER, java_options=FAST_START, **settings)


def test_shards_do_not_change_a_result(data, expected, tmp_path):
    run_data_steps(data, tmp_path, InProcess(), shards=7)
    assert digests(tmp_path) == expected


def test_multi_process_gives_the_same(data, expected, tmp_path):
    run_data_steps(data, tmp_path, MultiProcess(workers=2), shards=3)
    assert digests(tmp_path) == expected


@needs_flink
def test_flink_gives_the_same(data, expected, tmp_path):
    run_data_steps(data, tmp_path, flink(parallelism=2), shards=5)
    assert digests(tmp_path) == expected


@needs_spark
def test_spark_gives_the_same(data, expected, tmp_path):
    config = Spark(runner="spark", job_server_jar=SPARK_JOB_SERVER, java_options=FAST_START, parallelism=2)
    run_data_steps(data, tmp_path, config, shards=4)
    assert digests(tmp_path) == expected


@needs_flink
def test_workers_that_have_the_source_distribution_alone_give_the_same(data, expected, tmp_path, worker):
    where = str(tmp_path / "where")

    def tell(number):
        import dataplane.beam_runner

        Path(where).write_text(dataplane.beam_runner.__file__)
        return number

    config = flink(environment="process", worker_command=worker, parallelism=2)
    with config.pipeline() as pipeline:
        _ = pipeline | beam.Create([1]) | beam.Map(tell)
    assert Path(where).read_text().startswith(str(worker.parent / "venv"))
    run_data_steps(data, tmp_path, config)
    assert digests(tmp_path) == expected


def test_a_killed_worker_ends_the_run_and_the_next_one_continues(data, expected, tmp_path, monkeypatch):
    """Every Python process looks for a `sitecustomize`; this one kills the first worker that reports a piece."""
    killed = tmp_path / "killed"
    hook = f"""
        import os, signal, sys
        def kill(event, arguments):
            due = event == "open" and "/.interactions-00001.json" in str(arguments[0])
            if due and not os.path.exists({str(killed)!r}):
                os.close(os.open({str(killed)!r}, os.O_CREAT))
                os.kill(os.getpid(), signal.SIGKILL)
        if "sdk_worker_main" in " ".join(sys.orig_argv):
            sys.addaudithook(kill)
    """
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(textwrap.dedent(hook))
    path = os.pathsep.join([str(tmp_path / "hook"), str(PROJECT)])
    monkeypatch.setenv("PYTHONPATH", path)
    root = tmp_path / "runs"
    with pytest.raises(RunError, match="worker process died"):
        run_data_steps(data, root, MultiProcess(workers=2), only="ExampleGen")
    assert killed.exists()
    assert digests(root) == {}
    assert Store(root, "runners").runs()[-1].state == "failed"
    run_data_steps(data, root, MultiProcess(workers=2), only="ExampleGen")
    assert digests(root) == only_example_gen(expected)


@needs_flink
def test_errors_of_steps_come_back_from_flink(data, tmp_path):
    def refuse(row):
        if row < 0:
            raise DataError(f"ratings.csv:\nrow {row} is broken")
        return Path("/nowhere", str(1 // row)).read_text()

    for row, error, message in (
        (-1, DataError, r"^ratings.csv:\nrow -1 is broken$"),
        (1, FileNotFoundError, "/nowhere/1"),
        (0, RuntimeError, "ZeroDivisionError"),
    ):
        with pytest.raises(error, match=message), flink().pipeline() as pipeline:
            _ = pipeline | beam.Create([row]) | beam.Map(refuse)


@needs_flink
def test_a_cluster_and_a_worker_pool(data, expected, tmp_path, worker):
    port = free_port()
    pool = [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main"]
    pool += [f"--service_port={port}", f"--container_executable={worker}"]
    with started(pool, tmp_path / "pool.log"), flink_cluster(tmp_path) as master:
        config = flink(master=master, parallelism=2, environment="external", worker_pool=f"localhost:{port}")
        run_data_steps(data, tmp_path / "runs", config, only="ExampleGen")
    assert digests(tmp_path / "runs") == only_example_gen(expected)


def only_example_gen(digests):
    return {name: digest for name, digest in digests.items() if name.startswith("ExampleGen/")}


@contextmanager
def started(command, log):
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def flink_cluster(directory):
    """A job manager and a task manager with two slots; the address of the REST endpoint."""
    rest, settings = free_port(), directory / "flink"
    memory = {"framework.heap": 128, "framework.off-heap": 64, "task.heap": 256, "task.off-heap": 0, "managed": 128}
    memory |= {"jvm-metaspace": 128}
    values = {
        "jobmanager.rpc.address": "localhost",
        "jobmanager.rpc.port": free_port(),
        "jobmanager.bind-host": "localhost",
        "rest.address": "localhost",
        "rest.bind-address": "localhost",
        "rest.port": rest,
        "taskmanager.host": "localhost",
        "taskmanager.bind-host": "localhost",
        "taskmanager.numberOfTaskSlots": 2,
        "taskmanager.cpu.cores": 2.0,
        **{f"taskmanager.memory.{name}.size": f"{size}m" for name, size in memory.items()},
        **{f"taskmanager.memory.{name}.{end}": "64m" for name in ("network", "jvm-overhead") for end in ("min", "max")},
        "io.tmp.dirs": settings,
    }
    settings.mkdir()
    (settings / "config.yaml").write_text("".join(f"{name}: {value}\n" for name, value in values.items()))
    runtime = "org.apache.flink.runtime"
    java = ["java", *FAST_START, "--add-opens=java.base/java.util=ALL-UNNAMED", "-cp", str(JOB_SERVER)]
    manager = [*java, f"{runtime}.entrypoint.StandaloneSessionClusterEntrypoint", "--configDir", str(settings)]
    worker = [*java, f"{runtime}.taskexecutor.TaskManagerRunner", "--configDir", str(settings)]
    with started(manager, directory / "manager.log"), started(worker, directory / "task-manager.log"):
        end = time.monotonic() + 60
        while b'"slots-total":2' not in answer(f"http://localhost:{rest}/overview"):
            assert time.monotonic() < end, (directory / "task-manager.log").read_text()[-2000:]
            time.sleep(0.5)
        yield f"localhost:{rest}"


def answer(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.read()
    except OSError:
        return b""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
