"""Requests to a loaded model, answered at once."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from serving.server.batching import BatchingOptions
from serving.server.loaded_model import LoadedModel
from serving.server.predict_json import parse_request

JOINED = BatchingOptions(num_batch_threads=1, wait_ms=1000)


def asked(model: LoadedModel, instances: Sequence[Any], signature: str = "serving_default", **options: Any) -> Any:
    body = json.dumps({"signature_name": signature, "instances": instances, **options}).encode()
    return parse_request(body, model.interface, max_rows=10_000)


def answers(model: LoadedModel, requests: Sequence[Any]) -> list[Any]:
    """Asked all at once: the first goes alone, the others are joined behind it."""

    async def work() -> list[Any]:
        return await asyncio.gather(*map(model.answer, requests), return_exceptions=True)

    replies = asyncio.run(work())
    return [reply if isinstance(reply, Exception) else json.loads(reply)["predictions"] for reply in replies]
