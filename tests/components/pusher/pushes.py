"""Pairs of directories that look like models, and pushes of them."""

import json
from pathlib import Path
from typing import Any

from components.base import ExecutionContext
from components.pusher import Pusher, PusherParams
from dataplane.artifacts import Blessing, InfraBlessing, PushedModel, ServingModel
from serving.model.version_digests import PROMISE, write_digests


def save_pair(path: Path, identity: str, *, refresh_of: str | None = None) -> ServingModel:
    """Directories that look like SavedModels, with digests."""
    description = {"identity": {"towers": identity}, "refresh_of": refresh_of and {"towers": refresh_of}} | PROMISE
    for name in ("exact", "scann"):
        model = path / name
        (model / "variables").mkdir(parents=True)
        (model / "saved_model.pb").write_text(f"{name} graph of {identity}")
        (model / "variables" / "variables.index").write_text(identity * 1000)
        (model / "assets.extra").mkdir()
        (model / "assets.extra" / "model.json").write_text(json.dumps(description))
        write_digests(model)
    return ServingModel(path)


def push(
    serving: ServingModel,
    directory: Path | str,
    *,
    blessed: bool = True,
    infra: bool = True,
    context: ExecutionContext | None = None,
    **params: Any,
) -> Any:
    scratch = serving.path.parent / "verdicts"
    blessing, infra_blessing = Blessing(scratch), InfraBlessing(scratch)
    blessing.write_json("blessing.json", {"blessed": blessed})
    infra_blessing.write_json("infra_blessing.json", {"blessed": infra})
    pushed = PushedModel(serving.path.parent / "pushed")
    Pusher(PusherParams.model_validate({"directory": directory, "name": "toy", **params})).execute(
        Pusher.Inputs(serving, blessing, infra_blessing), Pusher.Outputs(pushed), context or ExecutionContext()
    )
    return pushed.read_json("pushed.json")


def versions(directory: Path, model: str) -> list[int]:
    return sorted(int(entry.name) for entry in (directory / model).iterdir())
