"""Contradictory settings of sources are refused."""

import pytest
from pydantic import ValidationError

from components.example_gen import ExampleGenParams

IDS = {"query_id": "u", "candidate_id": "i"}
CSV = {"format": "csv", "path": "a.csv", "columns": IDS}
USERS = {"format": "csv", "path": "u.csv", "id": "u"}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"interactions": {**CSV, "format": "xlsx"}}, "'xlsx'"),
        ({"interactions": {**CSV, "pth": "a"}}, "pth"),
        ({"interactions": {"format": "csv", "path": "a.csv"}}, "columns"),
        ({"interactions": {**CSV, "columns": {"query_id": "u"}}}, "candidate_id"),
        ({"interactions": {**CSV, "columns": {"query_id": "u", "candidate_id": "u"}}}, "cannot be both"),
        ({"interactions": {**CSV, "min_weight": 4}}, "needs columns.weight"),
        ({"interactions": {**CSV, "time_unit": "s"}}, "needs columns.timestamp"),
        ({"interactions": {**CSV, "encoding": "latin-99"}}, "unknown encoding"),
        ({"interactions": {**CSV, "delimiter": "a\nb"}}, "end of line"),
        ({"interactions": {**CSV, "delimiter": ""}}, "delimiter"),
        ({"interactions": {**CSV, "delimiter": '","'}}, "'quote' and 'delimiter' must not share"),
        ({"interactions": {**CSV, "delimiter": "\\|", "escape": "\\"}}, "'escape' and 'delimiter' must not share"),
        ({"interactions": {**CSV, "escape": '"'}}, "doubled quotes need no 'escape'"),
        ({"interactions": {**CSV, "escape": "ab"}}, "escape"),
        ({"interactions": {**CSV, "quote": "»"}}, "'quote' must be an ASCII character"),
        ({"interactions": {**CSV, "names": ["u", "u"]}}, "a name twice"),
        ({"interactions": {**CSV, "path": []}}, "path"),
        ({"interactions": {**CSV, "path": "ftp://host/a.csv"}}, "'ftp://' is not supported"),
        ({"interactions": {**CSV, "path": ["s3://a:b@bucket/a.csv"]}}, "must not hold credentials"),
        ({"interactions": {**CSV, "date_formats": {"at": "%d.%m."}}}, "lacks year, month or day"),
        ({"interactions": {**CSV, "date_formats": {"at": "%d.%m.%Y %Q"}}}, "%Q is not known"),
        ({"interactions": {**CSV, "path": {"training": "a.csv"}}}, "path"),
        ({"interactions": {**CSV, "path": {"train": "a"}, "columns": {**IDS, "split": "s"}}}, "splits are given twice"),
        ({"interactions": {"format": "tfds", "dataset": "a b", "columns": IDS}}, "dataset"),
        ({"interactions": {"format": "synthetic", "candidates": 20, "topics": 12}}, "need at least 24 candidates"),
        ({"interactions": {"format": "synthetic"}, "queries": USERS}, "generate their own"),
        ({"interactions": CSV, "queries": {**USERS, "columns": IDS}}, "columns"),
        ({"interactions": CSV, "queries": {"format": "interactions", "columns": ["u"]}}, "names the id column 'u'"),
        ({"interactions": CSV, "candidates": {"format": "interactions", "columns": ["a", "a"]}}, "a column twice"),
        ({"interactions": CSV, "max_bad_fraction": 2}, "max_bad_fraction"),
    ],
)
def test_refused(data, expected):
    with pytest.raises(ValidationError) as refused:
        ExampleGenParams.model_validate(data)
    assert expected in str(refused.value)
