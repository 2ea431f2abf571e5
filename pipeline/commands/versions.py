"""`versions`: what has been published."""

import argparse
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pipeline.commands import options


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "versions",
        help="list the published versions of a model",
        description="Lists the versions in the serving directory of a pipeline, oldest first: when each was published, "
        "by which run, a short name of what is in it (equal names are equal models), and which one is served.",
    )
    options.add_published_pipeline(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, identities in full")
    options.add_root(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Prints the versions; exit code 2 if there is no such pipeline or nothing has been published."""
    from pipeline.published import Published

    published = Published.newest(arguments.root, arguments.pipeline)
    pushes = published.pushes()
    found = []
    for there in published.publisher.versions():
        push, rollback = pushes.get(there.version), there.rollback or {}
        found.append(
            {
                "version": there.version,
                "published": push.started if push else rollback.get("published"),
                "run": push.run if push else None,
                "refresh_of": there.refresh_of,
                "rollback_of": None if push else rollback.get("of"),
                "newest": there.version == published.version,
                "complete": there.complete,
                "identity": there.identity,
            }
        )
    if arguments.json:
        print(json.dumps(found, indent=2))
        return 0
    print(f"{published.publisher.name} and {published.publisher.name}-scann in {published.publisher.directory}")
    for version in found:
        print("  " + _line(version))
    return 0


def _line(version: Mapping[str, Any]) -> str:
    notes = [f"rollback to {version['rollback_of']}"] if version["rollback_of"] else []
    notes += ["refreshed index"] if version["refresh_of"] else []
    notes += ["newest"] if version["newest"] else []
    notes += [] if version["complete"] else ["one of the two models only"]
    model = hashlib.sha256(json.dumps(version["identity"], sort_keys=True).encode()).hexdigest()[:10]
    origin = f"run {version['run']}" if version["run"] else ""
    when = version["published"] or ""
    return f"{version['version']:>12}  {when:<25}  {model}  {origin:<33}  {', '.join(notes)}".rstrip()
