"""What a run found out, from its records and artifacts."""

from pathlib import Path

import pyarrow as pa
import pytest

import tfrs_pipeline as tp
from tests.pipeline.reporting.small_run import HOSTILE, INDEX, LESS, MEANS, TRAINING, Runs


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tp.Run:
    root = tmp_path_factory.mktemp("root")
    Runs(root).add("r1", settings={"training": {"batch_size": 8}})
    return tp.load(root, "toy")


@pytest.fixture
def refused(tmp_path: Path) -> tp.Run:
    Runs(tmp_path).add("r1", wrote={}, state="refused", message=HOSTILE, ended_by="ExampleValidator")
    return tp.load(tmp_path)


def test_metrics_are_found_by_name_and_beside_the_baselines(run: tp.Run) -> None:
    assert dict(run.metrics) == MEANS
    rows = {row["metric"]: row for row in run.metrics.table.to_pylist()}
    assert rows["ndcg@10"] == {
        "metric": "ndcg@10",
        "two-tower": MEANS["ndcg@10"],
        "low": 0.25,
        "high": 0.35,
        "popularity": LESS["ndcg@10"],
        "served": LESS["ndcg@10"],
    }
    assert rows["mrr@10"]["low"] is None


def test_the_curve_has_a_row_for_each_validation(run: tp.Run) -> None:
    assert run.curve.to_pylist() == TRAINING["curve"]
    assert run.curve["loss"] == [2.0, 1.0, 0.0]


def test_slices_name_what_they_divide(run: tp.Run) -> None:
    found = {(row["of"], row["slice"]): row["ndcg@10"] for row in run.slices.to_pylist()}
    assert found[("history_length", "0")] == 0.5
    assert found[("country", "nl")] == 0.31


def test_statistics_have_a_row_for_each_column(run: tp.Run) -> None:
    rows = {(row["table"], row["column"]): row for row in run.statistics.to_pylist()}
    assert rows[("interactions", "price.[0] \\")]["max"] == 3.0
    assert rows[("candidates", "genre")]["most_frequent"] == "x"
    assert rows[("candidates", "genre")]["rows"] == 3


def test_the_index_marks_the_chosen_setting(run: tp.Run) -> None:
    points = INDEX["tuning"]["curve"]
    assert run.index["recall"] == [point["recall"] for point in points]
    assert run.index["latency_ms"] == [point["latency_ms_batch_1"] for point in points]
    assert [row["leaves_to_search"] for row in run.index.to_pylist() if row["chosen"]] == [2]


def test_brute_force_has_one_row(tmp_path: Path) -> None:
    from dataplane.artifacts.serving_model import IndexReport

    report = IndexReport.model_validate(INDEX | {"search": "brute_force", "settings": None})
    Runs(tmp_path).add("r1", wrote={("ScannIndexer", "serving_model"): [report]})
    (row,) = tp.load(tmp_path).index.to_pylist()
    assert row == {"search": "brute_force", **INDEX["recall"], "latency_ms": INDEX["latency_ms"]["scann"]}


def test_the_record_tells_steps_settings_and_version(run: tp.Run) -> None:
    assert (run.id, run.pipeline, run.state, run.version) == ("r1", "toy", "done", 4)
    assert run.steps.to_pylist()[0] == {"step": "ExampleGen", "state": "run", "seconds": 1.5}
    assert run.settings == {"training": {"batch_size": 8}}
    assert repr(run) == "<run r1 of toy: Published as version 4>"


def test_artifacts_are_directories(run: tp.Run) -> None:
    assert (run.artifact("Trainer") / "training.json").is_file()
    assert (run.artifact("Evaluator", "blessing") / "blessing.json").is_file()


@pytest.mark.parametrize(
    ("step", "output", "told"),
    [
        ("Tuner", None, "no finished step 'Tuner'; there is ExampleGen, "),
        ("Evaluator", None, "which output of Evaluator? There is evaluation, blessing"),
        ("Trainer", "weights", "which output of Trainer? There is model"),
    ],
)
def test_artifacts_that_are_not_there_are_refused(run: tp.Run, step: str, output: str | None, told: str) -> None:
    with pytest.raises(tp.ConfigError) as refusal:
        run.artifact(step, output)
    assert told in str(refusal.value)


@pytest.mark.parametrize("name", ["metrics", "slices", "curve", "index"])
def test_what_a_refused_run_did_not_get_to_is_an_error_that_says_why(refused: tp.Run, name: str) -> None:
    with pytest.raises(tp.RunError, match=r"run r1 has no \w+: Refused by ExampleValidator: nothing was published"):
        getattr(refused, name)
    assert refused.version is None


def test_a_run_without_a_model_cannot_be_asked(refused: tp.Run) -> None:
    with pytest.raises(tp.RunError, match="run r1 has no model to ask; it is refused"):
        refused.recommend("q1")


def test_notebooks_show_verdict_and_metrics(run: tp.Run) -> None:
    shown = run._repr_html_()
    assert "Published as version 4" in shown
    assert "<td>ndcg@10</td><td>0.3000</td><td>0.2500</td><td>0.3500</td><td>0.1500</td>" in shown
    assert "twice popularity: passed" in shown


def test_notebooks_show_the_message_of_a_refused_run_as_text(refused: tp.Run) -> None:
    shown = refused._repr_html_()
    assert "Refused by ExampleValidator" in shown
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown


def test_the_report_is_a_file_that_notebooks_show_and_browsers_open(
    refused: tp.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    report = refused.report()
    assert "Refused by ExampleValidator" in Path(report).read_text(encoding="utf-8")
    assert report._repr_html_().startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    report.open()
    assert opened == [report.path.as_uri()]


def test_tables_are_arrow_and_pandas(run: tp.Run) -> None:
    assert run.curve.to_arrow().column_names == run.curve.columns
    assert pa.table(run.curve) == run.curve.to_arrow()
    pd = pytest.importorskip("pandas", reason="needs the extra 'notebook', which `make test.docs` installs")
    assert isinstance(run.curve.to_pandas(), pd.DataFrame)
    assert run.curve.to_pandas()["step"].tolist() == [10, 20, 30]
