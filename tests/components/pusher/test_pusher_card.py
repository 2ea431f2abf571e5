"""The Pusher makes the model card, and says when a version keeps another one."""

import json
from pathlib import Path
from typing import Any

from components.base import ExecutionContext
from components.pusher import Pusher, PusherParams
from dataplane.artifacts import (
    Blessing,
    Evaluation,
    InfraBlessing,
    Model,
    PushedModel,
    ServingModel,
    TransformedExamples,
)
from dataplane.artifacts.infra_blessing import InfraVerdict
from dataplane.artifacts.pushed_model import Push
from serving.published.model_cards import CARD_JSON, CARD_MARKDOWN
from tests.components.pusher.pushes import save_pair
from tests.components.pusher.test_card import Written


def push(path: Path, owner: dict[str, Any]) -> Push:
    records, pushed = path / "records", PushedModel(path / "pushed")
    inputs = Pusher.Inputs(
        ServingModel(path / "model"),
        Blessing(records),
        InfraBlessing(records),
        Evaluation(records),
        Model(records),
        TransformedExamples(records),
    )
    params = {"directory": path / "serving", "name": "films", "card": owner}
    Pusher(PusherParams.model_validate(params)).execute(inputs, Pusher.Outputs(pushed), ExecutionContext())
    return Push.read(pushed)


def test_the_card_is_published_with_the_model_and_stays_with_the_version(tmp_path: Path) -> None:
    Written(tmp_path / "records")
    InfraVerdict(blessed=True).write(InfraBlessing(tmp_path / "records"))
    save_pair(tmp_path / "model", "first")
    pushed = push(tmp_path, {"license": "MIT"})
    for model in (pushed.exact, pushed.scann):
        card = json.loads((Path(model) / CARD_JSON).read_text())
        assert card["model_details"]["licenses"] == [{"identifier": "MIT"}]
        assert "- License: MIT" in (Path(model) / CARD_MARKDOWN).read_text()
    same = "is this model already; nothing was published"
    assert push(tmp_path, {"license": "MIT"}).told.endswith(same)
    assert push(tmp_path, {"license": "BSD-3-Clause"}).told.endswith(f"{same}, and its model card stays as it is")
