"""The application with its page, over stand-ins for loaded models and for the records of a pipeline."""

import json
from collections.abc import Collection, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from starlette.types import ASGIApp

from dataplane.errors import ConfigError
from serving.model.descriptions import InputSpec
from serving.model.item_columns import ItemColumns
from serving.server.predict_json import Interface, PredictRequest
from serving.server.rest import create_app
from serving.server.server_metrics import ServerMetrics

HOSTILE = "<img src=x onerror=\"document.title='taken'\">"
TITLES = {"a": "Alien", "b": HOSTILE}
TEXT, TEXTS = InputSpec(dtype="string", shape=(None,)), InputSpec(dtype="string", shape=(None, None))
QUERY = {"country": TEXT, "age": InputSpec(dtype="float32", shape=(None,)), "history": TEXTS}
_NUMBER = InputSpec(dtype="float64", shape=(None,))
OPTIONS = {
    "where_genre": TEXTS,
    "where_in_stock": TEXT,
    "where_price_min": _NUMBER,
    "where_price_max": _NUMBER,
    "max_per_brand": InputSpec(dtype="int64", shape=(None,)),
    "mmr_lambda": InputSpec(dtype="float32", shape=(None,)),
}


class Model:
    """Answers `answers`, without what the request leaves out; of similar candidates the first two."""

    version = 7
    batcher = SimpleNamespace(queued_rows=0)
    definitions: Mapping[str, Any] = {}
    interface = Interface(
        {
            "serving_default": QUERY,
            "recommend_filtered": {**QUERY, "exclude_ids": TEXTS, "allow_ids": TEXTS},
            "similar_candidates": {"candidate_id": TEXT},
            "recommend_where": {**QUERY, "exclude_ids": TEXTS, **OPTIONS},
            "similar_where": {"candidate_id": TEXT, **OPTIONS},
        },
        rankings=dict.fromkeys(
            ("serving_default", "recommend_filtered", "similar_candidates", "recommend_where", "similar_where"), 100
        ),
        filters={"genre": "any_of", "in_stock": "equals", "price": "range"},
    )

    def __init__(self, answers: Sequence[str], items: ItemColumns | None = None) -> None:
        self.answers, self.items = answers, items
        self.asked: list[PredictRequest] = []

    async def answer(self, request: PredictRequest) -> bytes:
        self.asked.append(request)
        row = request.rows[0]
        most = 2 if request.signature.startswith("similar") else request.k
        ids = [name for name in self.answers if name not in row.get("exclude_ids", ())][:most]
        row_answer = {"candidate_ids": [*ids, ""], "scores": [0.5] * (len(ids) + 1)}
        return json.dumps({"predictions": [row_answer]}).encode()


class Records:
    """Titles of two candidates, and one stored query."""

    def titles(self, ids: Collection[str]) -> dict[str, str]:
        return {name: TITLES[name] for name in ids if name in TITLES}

    def query_ids(self) -> list[str]:
        return ["q1"]

    def request(self, query_id: str) -> dict[str, Any]:
        if query_id != "q1":
            raise ConfigError(f"query '{query_id}' is not among the 1 queries of the data")
        return {"country": "NL", "age": None, "history": ["a", "b", "c"]}


def host_of(model: Model) -> Any:
    return SimpleNamespace(current=model, served={model.version: model}, labelled={}, states=[])


def app_with_page(models: Mapping[str, Model], *, records: Records | None) -> ASGIApp:
    hosts: dict[str, Any] = {name: host_of(model) for name, model in models.items()}
    return create_app(hosts, ServerMetrics(), max_body_bytes=100_000, max_rows=10, timeout_seconds=5, lookup=records)
