"""`versions`: lists the published versions of a model."""

import argparse
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dataplane.errors import RefusedError
from dataplane.text_tables import text_table
from pipeline.commands import options

if TYPE_CHECKING:
    from serving.published.publishing import Publisher
    from serving.published.rollbacks import PublishedVersion


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "versions",
        help="list the published versions of a model",
        description="Lists the versions in the serving directory of a pipeline, oldest first: the time and run of its "
        "publication, a short name of its content (equal names are equal models), and which one is served.",
    )
    options.add_published_pipeline(parser)
    parser.add_argument(
        "--check",
        action="store_true",
        help="verify every file of every version; exit code 3 if a version is damaged or incomplete",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, identities in full")
    options.add_root(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Prints the versions; exit code 2 if nothing is published, 3 if `--check` finds damage or a missing model."""
    from pipeline.execution.published import Published
    from serving.published.labels import labels_by_version

    published = Published.newest(arguments.root, arguments.pipeline)
    pushes = published.pushes()
    labels = labels_by_version(published.publisher.versions_of.labels())
    found = []
    for there in published.publisher.versions():
        push, rollback = pushes.get(there.version), there.rollback
        found.append(
            {
                "version": there.version,
                "published": push.started if push else (rollback and rollback.published),
                "run": push.run if push else None,
                "refresh_of": there.refresh_of,
                "rollback_of": None if push or rollback is None else rollback.of,
                "newest": there.version == published.version,
                "labels": labels.get(there.version, []),
                "complete": there.complete,
                "identity": there.identity,
                **(_checked(published.publisher, there) if arguments.check else {}),
            }
        )
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        width = options.terminal_width()
        options.print_text(
            f"{published.publisher.name} and {published.publisher.name}-scann in {published.publisher.directory}"
        )
        print("\n".join(text_table([_row(version) for version in found], right=[0], indent=2, width=width)))
    bad = [str(version["version"]) for version in found if version.get("state") in ("damaged", "incomplete")]
    if bad:
        raise RefusedError(
            f"damaged or incomplete: {', '.join(bad)}. `run` replaces a damaged newest version and completes an "
            "incomplete one; `rollback` skips them; serving.push.keep_versions removes them later"
        )
    return 0


def _checked(publisher: "Publisher", there: "PublishedVersion") -> dict[str, Any]:
    """The `state` of a version and the `damage` found in it."""
    damage = publisher.damage(there.version)
    if damage:
        return {"state": "damaged", "damage": damage}
    if not there.complete:
        return {"state": "incomplete", "damage": []}
    return {"state": "whole" if publisher.has_digests(there.version) else "not checked", "damage": []}


def _state(version: Mapping[str, Any]) -> list[str]:
    """The state of a checked version, then its damage, a line each; empty if it was not checked."""
    if "state" not in version:
        return []
    why = ": published without digests" if version["state"] == "not checked" else ""
    return [version["state"] + why, *("  " + text for text in version["damage"])]


def _row(version: Mapping[str, Any]) -> list[str]:
    notes = [f"rollback to {version['rollback_of']}"] if version["rollback_of"] else []
    notes += ["refreshed index"] if version["refresh_of"] else []
    notes += ["newest"] if version["newest"] else []
    notes += [f"label {label}" for label in version["labels"]]
    notes += [] if version["complete"] else ["only one of the two models"]
    model = hashlib.sha256(json.dumps(version["identity"], sort_keys=True).encode()).hexdigest()[:10]
    origin = f"run {version['run']}" if version["run"] else ""
    remarks = "\n".join([*filter(None, [", ".join(notes)]), *_state(version)])
    return [str(version["version"]), version["published"] or "", model, origin, remarks]
