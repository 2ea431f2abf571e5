"""OpenLineage events: one `RunEvent` for each execution of a step (https://openlineage.io/docs/spec/object-model).

Jobs and artifacts have names that stay the same from run to run, `PIPELINE.STEP` and `PIPELINE.STEP.OUTPUT`. A facet
has the version of each artifact, the digest of its content.
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dataplane.artifacts import Examples
from dataplane.artifacts.examples import IngestSummary
from dataplane.errors import UnreadableDocumentError
from dataplane.files.storage import is_remote
from pipeline.execution.metadata import Execution, Run, Store
from pipeline.provenance.changes import artifact_digest
from pipeline.provenance.lineage import Lineage

NAMESPACE = "tfrs-pipeline"
_PRODUCER = f"urn:{NAMESPACE}"
_SPEC = "https://openlineage.io/spec"
_FACETS = {
    "dataSource": "1-0-1/DatasourceDatasetFacet",
    "version": "1-0-1/DatasetVersionDatasetFacet",
    "schema": "1-2-0/SchemaDatasetFacet",
    "outputStatistics": "1-0-2/OutputStatisticsOutputDatasetFacet",
    "parent": "1-2-0/ParentRunFacet",
    "processing_engine": "1-1-1/ProcessingEngineRunFacet",
    "jobType": "2-0-4/JobTypeJobFacet",
}
"""Version and name of the schema of each facet."""


def events(store: Store, lineage: Lineage, executions: Iterable[Execution]) -> list[dict[str, Any]]:
    """An event for each execution, as JSON values.

    Args:
        store: the pipeline's records.
        lineage: their connections.
        executions: finished executions, oldest first.
    """
    runs = {run.id: run for run in store.runs()}
    return [_event(store, lineage, execution, runs.get(execution.run)) for execution in executions]


def _event(store: Store, lineage: Lineage, execution: Execution, run: Run | None) -> dict[str, Any]:
    pipeline = store.directory.name
    ended = datetime.fromisoformat(execution.started) + timedelta(seconds=execution.seconds)
    inputs = [
        _artifact(store, link.maker, link.address.rpartition("/")[2])
        for link in lineage.made_from(execution)
        if link.maker is not None
    ]
    parent = {
        "run": {"runId": _run_id(pipeline, execution.run)},
        "job": {"namespace": NAMESPACE, "name": pipeline},
    }
    return {
        "eventType": "COMPLETE",
        "eventTime": ended.isoformat(timespec="milliseconds"),
        "producer": _PRODUCER,
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {
            "runId": _run_id(pipeline, execution.node, execution.id),
            "facets": _facets(parent=parent, processing_engine=_engine()),
        },
        "job": {"namespace": NAMESPACE, "name": f"{pipeline}.{execution.node}", "facets": _facets(jobType=_JOB_TYPE)},
        "inputs": inputs + _sources(execution, Path(run.base_dir) if run and run.base_dir else None),
        "outputs": [
            _artifact(store, execution, output) | {"outputFacets": _facets(outputStatistics=_size(execution, output))}
            for output in execution.outputs
        ],
    }


_JOB_TYPE = {"processingType": "BATCH", "integration": NAMESPACE.upper(), "jobType": "STEP"}


def _engine() -> dict[str, str]:
    version = metadata.version(NAMESPACE)
    return {"name": NAMESPACE, "version": version, "openlineageAdapterVersion": version}


def _artifact(store: Store, execution: Execution, output: str) -> dict[str, Any]:
    directory = store.output(execution, output).absolute()
    facets: dict[str, Any] = {"dataSource": {"name": "file", "uri": directory.as_uri()}}
    if digest := artifact_digest(execution, output):
        facets["version"] = {"datasetVersion": digest}
    if fields := _columns(directory):
        facets["schema"] = {"fields": fields}
    name = f"{store.directory.name}.{execution.node}.{output}"
    return {"namespace": NAMESPACE, "name": name, "facets": _facets(**facets)}


def _columns(directory: Path) -> list[dict[str, Any]]:
    """The columns of each table of Examples; of other artifacts none are recorded."""
    if not (directory / IngestSummary.FILE).is_file():
        return []
    try:
        tables = IngestSummary.read(Examples(directory)).columns
    except UnreadableDocumentError:
        return []
    return [
        {"name": table, "type": "struct", "fields": [{"name": name, "type": kind} for name, kind in columns.items()]}
        for table, columns in tables.items()
    ]


def _size(execution: Execution, output: str) -> dict[str, int]:
    sizes = [size for path, size in execution.files.items() if path.startswith(f"{output}/")]
    return {"size": sum(sizes), "fileCount": len(sizes)}


def _sources(execution: Execution, base_dir: Path | None) -> list[dict[str, Any]]:
    """The files of tables that an execution read, named `TABLE/PATH` in its record."""
    found = []
    for source, digest in (execution.external or {}).items():
        _, is_file, name = source.partition("/")
        if not is_file:
            continue
        location = name if is_remote(name) or base_dir is None else str(base_dir / name)
        parts = urlsplit(location) if is_remote(location) else None
        dataset = {"namespace": f"{parts.scheme}://{parts.netloc}", "name": parts.path.strip("/")} if parts else {}
        uri = location if parts or not location.startswith("/") else Path(location).as_uri()
        facets = _facets(dataSource={"name": uri, "uri": uri}, version={"datasetVersion": digest})
        found.append({"namespace": "file", "name": location, **dataset, "facets": facets})
    return found


def _facets(**facets: Mapping[str, Any]) -> dict[str, Any]:
    """Adds to each facet its producer and the address of its schema."""
    found = {}
    for name, content in facets.items():
        version, _, kind = _FACETS[name].partition("/")
        schema = f"{_SPEC}/facets/{version}/{kind}.json#/$defs/{kind}"
        found[name] = {"_producer": _PRODUCER, "_schemaURL": schema, **content}
    return found


def _run_id(*parts: str) -> str:
    """A UUID that is the same at each export."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join((_PRODUCER, *parts))))


def as_lines(found: Iterable[Mapping[str, Any]]) -> str:
    """Events as JSON, one a line."""
    return "".join(f"{json.dumps(event, ensure_ascii=False)}\n" for event in found)
