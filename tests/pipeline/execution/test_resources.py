"""What a step takes is measured, with its children."""

import subprocess
import sys
from pathlib import Path

from dataplane.beam_runner import InProcess
from pipeline.execution.dag import Pipeline
from pipeline.execution.metadata import Store
from pipeline.execution.progress import PlainProgress
from pipeline.execution.resources import measured
from pipeline.execution.runner import LocalRunner, new_run
from pipeline.execution.selection import Selection
from tests.pipeline.toy_components import Source, SourceParams

WORK = """
import time
held, end = bytearray(200 << 20), time.process_time() + 0.5
while time.process_time() < end: pass
time.sleep(1)
"""


def test_children_count_in_time_and_memory() -> None:
    with measured() as idle:
        pass
    with measured() as used:
        subprocess.run([sys.executable, "-c", WORK], check=True)
    assert used["seconds"] >= 1.5 > idle["seconds"]
    assert 0.5 <= used["resources"]["cpu_seconds"] < 60
    more = used["resources"]["peak_memory_bytes"] - idle["resources"]["peak_memory_bytes"]
    assert 150 << 20 < more < 2000 << 20


def test_they_are_in_the_record_of_the_step(tmp_path: Path) -> None:
    store, pipeline = Store(tmp_path, "toy"), Pipeline("toy")
    pipeline.add(Source(SourceParams()))
    LocalRunner(store, InProcess(), PlainProgress("toy")).run(pipeline, new_run(Path("toy.yaml")), Selection())
    (recorded,) = store.executions("Source")
    assert recorded.resources["peak_memory_bytes"] > 10 << 20
    assert recorded.resources["cpu_seconds"] >= 0
