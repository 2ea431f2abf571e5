"""Data nobody can learn from end in a clear message and exit code 3."""

import pytest

from tests.e2e.conftest import QUICK

pytestmark = pytest.mark.e2e


def rows(*, queries=30, events=6):
    return [
        (f"q{q}", f"c{(q * 7 + e * 3) % 20}", 1_600_000_000 + q * 100 + e)
        for q in range(queries)
        for e in range(events)
    ]


def csv_text(lines, header="query,candidate,at"):
    return "\n".join([header, *(",".join(map(str, line)) for line in lines)]) + "\n"


GOOD = rows()

EVENTS_CSV = {
    "format": "csv",
    "path": "events.csv",
    "columns": {"query_id": "query", "candidate_id": "candidate", "timestamp": "at"},
}

CASES = {
    "empty file": ("", "empty"),
    "only a header": (csv_text([]), "no "),
    "words for times": (csv_text([(q, c, "soon") for q, c, _ in GOOD]), "timestamp"),
    "too many empty ids": (csv_text([("", c, at) for _, c, at in GOOD[:20]] + GOOD), "empty"),
    "rows cut short": (csv_text([(q,) for q, _, _ in GOOD[:20]] + GOOD), "field"),
    "one query": (csv_text([("q1", c, at) for _, c, at in GOOD]), "quer"),
    "one candidate": (csv_text([(q, "c1", at) for q, _, at in GOOD]), "candidate"),
    "one event a query, nothing left to test on": (csv_text(rows(events=1)), "test"),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_with_the_reason(case, project):
    text, told = CASES[case]
    (project.directory / "events.csv").write_text(text)
    config = project.write_config(
        "bad",
        data={"interactions": EVENTS_CSV},
        **QUICK,
    )
    # A header that is not there is found before the run starts.
    result = project.run(config, code=2 if text == "" else 3)
    message = result.err[result.err.index("error: ") :]
    assert told in message, message
    assert "Traceback" not in message
    assert "The same command continues" not in message, "on the same data it would not"


def test_not_a_number_in_a_feature_is_an_anomaly(project):
    (project.directory / "events.csv").write_text(csv_text(GOOD))
    (project.directory / "items.csv").write_text("item,price\n" + "".join(f"c{c},nan\n" for c in range(20)))
    config = project.write_config(
        "bad",
        data={
            "interactions": EVENTS_CSV,
            "candidates": {"format": "csv", "path": "items.csv", "id": "item"},
        },
        features={"candidate": {"price": {"type": "numeric"}}},
        **QUICK,
    )
    result = project.run(config, code=3)
    assert "price" in result.err
    assert "NaN" in result.err


def test_a_model_below_its_threshold_is_not_published(project):
    config = project.write_config(
        "bad",
        data={"interactions": {"format": "synthetic", "queries": 100, "candidates": 60, "events_per_query": 8}},
        evaluation={"thresholds": {"recall@10": 0.999}},
        **QUICK,
    )
    result = project.run(config, code=3)
    assert "not published" in result.err
    assert "python -m pipeline run" in result.err, "how to continue"
    assert not list((project.root / "serving").glob("*/[0-9]*"))
    metrics = project.metrics("bad")
    assert metrics["test"]["recall@10"] < 0.999, "the evidence stays"
