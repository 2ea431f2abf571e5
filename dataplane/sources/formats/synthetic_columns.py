"""Columns of the synthetic tables and their types. Imports nothing, as checking a configuration needs it."""

COLUMNS: dict[str, dict[str, str]] = {
    "interactions": {
        "query_id": "string",
        "candidate_id": "string",
        "timestamp": "timestamp",
        "device": "string",
        "action": "string",
    },
    "queries": {"query_id": "string", "country": "string", "age": "int64", "segment": "string"},
    "candidates": {
        "candidate_id": "string",
        "title": "string",
        "genres": "list<string>",
        "category": "string",
        "duration": "float64",
        "released": "timestamp",
    },
}
