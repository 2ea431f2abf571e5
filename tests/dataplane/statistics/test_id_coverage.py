"""Tables whose ids differ from those of the interactions are reported with the reason, and refused if none match."""

import random
from collections import Counter
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.base import Params
from components.example_validator import ExampleValidator, ExampleValidatorParams
from components.schema_gen import SchemaGen, SchemaGenParams
from components.statistics_gen import StatisticsGen
from dataplane.artifacts import Anomalies, Examples, Schema, Statistics
from dataplane.errors import RefusedError
from dataplane.statistics import id_coverage
from dataplane.statistics.coverage_anomalies import DescribedLimits
from dataplane.statistics.id_forms import differences, plain_forms
from pipeline.config.config import load_config
from pipeline.create_pipeline import create_pipeline
from pipeline.execution.metadata import Store
from pipeline.execution.progress import PlainProgress
from pipeline.execution.report import summary
from pipeline.execution.runner import LocalRunner, new_run
from pipeline.execution.selection import Selection
from tests.components.source_runs import Run, csv
from tests.contexts import in_process
from tests.paths import SHARED

CASE = SHARED / "cases" / "ids-of-two-tables-disjoint"


def write(directory, **tables):
    """Writes Examples of tables, each given as its columns."""
    for name, columns in tables.items():
        (directory / "examples" / name).mkdir(parents=True)
        pq.write_table(pa.table(columns), directory / "examples" / name / "0.parquet")
    return Examples(directory / "examples")


def events(ids, *, side="candidate_id"):
    """Three events for each id, with equally many ids on the other side."""
    other = {"candidate_id": "query_id", "query_id": "candidate_id"}[side]
    return {side: list(ids) * 3, other: [f"o{i}" for i in range(len(ids))] * 3}


def gather(examples, directory):
    statistics = Statistics(directory / "statistics")
    StatisticsGen(Params()).execute(
        StatisticsGen.Inputs(examples), StatisticsGen.Outputs(statistics), in_process(scratch=directory)
    )
    return statistics


def validate(statistics, directory, **params):
    """Runs ExampleValidator; returns its facts and the anomalies."""
    schema, anomalies = Schema(directory / "schema"), Anomalies(directory / "anomalies")
    SchemaGen(SchemaGenParams()).execute(SchemaGen.Inputs(statistics), SchemaGen.Outputs(schema), in_process())
    component = ExampleValidator(ExampleValidatorParams(**params))
    inputs, outputs = ExampleValidator.Inputs(statistics, schema), ExampleValidator.Outputs(anomalies)
    facts = component.execute(inputs, outputs, in_process())
    return facts, anomalies.read_json("anomalies.json")


SPELLINGS: dict[str, tuple[Callable[[int], str], Callable[[int], str], str, str]] = {
    "leading zeros lost": (lambda i: f"{i:05d}", str, "leading zeros", "as numbers they lose"),
    "leading zeros added": (str, lambda i: f"{i:010d}", "leading zeros", "as numbers they lose"),
    "zeros before letters lost": (lambda i: f"00A{i}B", lambda i: f"A{i}B", "leading zeros", "as numbers they lose"),
    "decimals": (lambda i: str(12346 + i), lambda i: f"{12346 + i}.0", "a decimal part", "whole numbers"),
    "decimals in the interactions": (lambda i: f"{i}.00", str, "a decimal part", "whole numbers"),
    "padded with blanks": (lambda i: f"i{i}", lambda i: f"i{i}".ljust(12), "blanks around it", "same way"),
    "padded with tabs and hard spaces": (lambda i: f"i{i}\u00a0", lambda i: f"\ti{i}", "blanks around it", "same way"),
    "case": (lambda i: f"SKU-{i}a", lambda i: f"sku-{i}A", "upper or lower case", "same way"),
    "quotes": (lambda i: f'"{i}"', str, "quotes around it", "same way"),
    "full-width digits": (lambda i: f"{i}", lambda i: f"{i}".translate({48 + d: 0xFF10 + d for d in range(10)}),
                          "another Unicode form", "same way"),
    "zeros and decimals": (lambda i: f"{i:06d}", lambda i: f"{i}.0", "a decimal part and leading zeros", "as text"),
}  # fmt: skip


@pytest.mark.parametrize("side", ["candidates", "queries"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_ids_that_differ_only_in_spelling_are_refused_with_examples(spelling, side, tmp_path):
    one, other, way, advice = SPELLINGS[spelling]
    column = id_coverage.ID_COLUMNS[side]
    examples = write(
        tmp_path,
        interactions=events([one(i) for i in range(100, 160)], side=column),
        **{side: {column: [other(i) for i in range(100, 160)]}},
    )
    with pytest.raises(RefusedError) as refused:
        validate(gather(examples, tmp_path), tmp_path)
    message = str(refused.value)
    assert f"{side}.{column}: describes 0 of the 60 {side} in the interactions (0 % of the events)" in message
    assert "0 of the table's 60 ids occur in the interactions" in message
    assert f"60 ids differ only in {way}" in message
    assert f"'{one(100)}' in the interactions, '{other(100)}' in the table" in message
    assert advice in message
    assert f"validation.described_{side}.refuse_below" in message


@pytest.mark.parametrize("prefix", ["item_", "urn:sku/0", "Ä-"])
def test_ids_with_a_prefix_on_one_side_are_refused_with_examples(prefix, tmp_path):
    examples = write(
        tmp_path,
        interactions=events([str(i) for i in range(100, 160)]),
        candidates={"candidate_id": [f"{prefix}{i}" for i in range(100, 160)]},
    )
    with pytest.raises(RefusedError) as refused:
        validate(gather(examples, tmp_path), tmp_path)
    message = str(refused.value)
    assert "Only the interactions have '100', '101', '102';" in message
    assert f"only the table has '{prefix}100', '{prefix}101', '{prefix}102'" in message
    assert f"all of these begin with '{prefix.rstrip('0')}'" in message


def test_limits_can_be_lowered_and_turned_off(tmp_path):
    ids = [f"{i:03d}" for i in range(60)]
    examples = write(tmp_path, interactions=events(ids), candidates={"candidate_id": [f"x{i}" for i in ids] + ids[:2]})
    statistics = gather(examples, tmp_path)
    with pytest.raises(RefusedError, match="2 of the 60 candidates"):
        validate(statistics, tmp_path)
    facts, (anomaly,) = validate(statistics, tmp_path, described_candidates={"refuse_below": 0.02})
    assert (anomaly["kind"], anomaly["severity"]) == ("few_ids_described", "warning")
    assert facts["notes"] == [f"warning: candidates.candidate_id: {anomaly['message']}"]
    assert "validation.described_candidates.warn_below" in anomaly["message"]
    off = {"refuse_below": 0, "warn_below": 0}
    facts, anomalies = validate(statistics, tmp_path, described_candidates=off)
    assert anomalies == []
    assert "notes" not in facts
    assert facts["candidates"] == "describe 3.3 % of ids (3.3 % of events), 3.2 % occur"


@pytest.mark.parametrize(
    ("described", "listed", "kind"),
    [
        (range(60), range(10_000), None),  # most of the catalogue has no events
        (range(1000), range(3), "few_ids_described"),  # the table has few users, and all of them occur
        (range(60), range(30, 90), None),
        (range(60), range(31, 90), "few_ids_described"),
    ],
)
def test_sparse_tables_are_not_refused(described, listed, kind, tmp_path):
    examples = write(
        tmp_path,
        interactions=events([f"u{i}" for i in described], side="query_id"),
        queries={"query_id": [f"u{i}" for i in listed]},
    )
    _, anomalies = validate(gather(examples, tmp_path), tmp_path)
    assert [(found["kind"], found["severity"]) for found in anomalies] == ([(kind, "warning")] if kind else [])


def test_a_table_of_best_sellers_is_not_refused(tmp_path):
    ids = ["best"] * 500 + [f"c{i}" for i in range(500)]
    examples = write(
        tmp_path,
        interactions={"candidate_id": ids, "query_id": [f"q{i}" for i in range(1000)]},
        candidates={"candidate_id": ["best", *(f"ghost{i}" for i in range(500))]},
    )
    _, (anomaly,) = validate(gather(examples, tmp_path), tmp_path)
    assert anomaly["severity"] == "warning"
    assert "1 of the 501 candidates in the interactions (50 % of the events)" in anomaly["message"]


def test_some_ids_in_another_spelling_are_a_warning_and_most_an_error(tmp_path):
    ids = [f"{i:03d}" for i in range(60, 160)]  # 40 of them lose a zero
    examples = write(tmp_path, interactions=events(ids), candidates={"candidate_id": [i.lstrip("0") for i in ids]})
    _, (anomaly,) = validate(gather(examples, tmp_path), tmp_path)
    assert (anomaly["kind"], anomaly["severity"]) == ("ids_misspelt", "warning")
    assert "40 ids differ only in leading zeros: '060' in the interactions, '60' in the table" in anomaly["message"]
    ids = [f"{i:03d}" for i in range(10, 110)]
    examples = write(
        tmp_path / "b", interactions=events(ids), candidates={"candidate_id": [i.lstrip("0") for i in ids]}
    )
    with pytest.raises(RefusedError, match="90 ids differ only in leading zeros"):
        validate(gather(examples, tmp_path / "b"), tmp_path / "b")


def test_different_ids_with_the_same_plain_form_are_not_misspelt(tmp_path):
    ids = ["7", "07", "a", "A"]
    examples = write(tmp_path, interactions=events(ids[:3]), candidates={"candidate_id": ids})
    _, anomalies = validate(gather(examples, tmp_path), tmp_path)
    assert anomalies == []


def test_long_ids_are_shortened(tmp_path):
    ids = ["x" * 100_000 + str(i) for i in range(10)]
    examples = write(tmp_path, interactions=events(ids), candidates={"candidate_id": [i.upper() for i in ids]})
    with pytest.raises(RefusedError) as refused:
        validate(gather(examples, tmp_path), tmp_path)
    assert "x" * 60 + "…" in str(refused.value)
    assert len(str(refused.value)) < 2000


def test_counts_do_not_depend_on_the_shards(tmp_path, monkeypatch):
    chance = random.Random(5)
    spellings = (str, "{:04d}".format, "{}.0".format, " {}".format)
    column = [chance.choice(spellings)(chance.randrange(300)) for _ in range(4000)]
    listed = sorted({chance.choice(spellings)(chance.randrange(300)) for _ in range(200)})
    counts, table = Counter(column), set(listed)
    plain = dict(zip(ids := sorted({*counts, *table}), plain_forms(pa.array(ids)).to_pylist(), strict=True))
    unused_forms = {plain[i] for i in table - set(counts)}
    reports = []
    for name, parts, rows in (("one", 1, 1_000_000), ("many", 7, 50)):
        monkeypatch.setattr(id_coverage, "_ROWS_A_SHARD", rows)
        for folder, values in (("interactions", column), ("candidates", listed)):
            chance.shuffle(values)
            (tmp_path / name / "examples" / folder).mkdir(parents=True)
            for i in range(parts):
                data = pa.table({"candidate_id": values[i::parts], "query_id": values[i::parts]})
                pq.write_table(data, tmp_path / name / "examples" / folder / f"{i}.parquet", row_group_size=100)
        statistics = gather(Examples(tmp_path / name / "examples"), tmp_path / name)
        reports.append(statistics.read_json("statistics.json")["candidates"]["ids"])
    assert reports[0] == reports[1]
    undescribed = sorted((set(counts) - table), key=lambda i: (-counts[i], i.encode()))
    assert reports[0].items() >= {
        "ids": len(counts), "described": len(table & set(counts)), "table_ids": len(table),
        "used": len(table & set(counts)), "events": 4000, "described_events": sum(counts[i] for i in table),
        "alike": sum(plain[i] in unused_forms for i in undescribed), "undescribed_examples": undescribed[:3],
        "unused_examples": sorted(table - set(counts))[:3],
    }.items()  # fmt: skip


def test_differences_between_ids_are_named():
    assert differences("0 ", "00") == ["blanks around it", "leading zeros"]
    assert differences("A1", "a1") == ["upper or lower case"]
    assert plain_forms(pa.array(["0", "000", "0.0", "-5.0", "12.5", "1.0.0", ""])).to_pylist() == [
        "0", "0", "0", "-5", "12.5", "1.0.0", "",
    ]  # fmt: skip


def test_a_table_derived_from_the_interactions_is_not_compared(tmp_path):
    run = Run(tmp_path)
    run.write("events.csv", "u,i,t\n" + "".join(f"u{n},i{n % 5},x\n" for n in range(20)))
    run(interactions=csv(), candidates={"format": "interactions", "columns": ["t"]})
    report = gather(run.examples, tmp_path).read_json("statistics.json")
    assert "ids" not in report["candidates"]


def test_warnings_are_printed_in_every_run_and_its_summary(tmp_path, capsys):
    (tmp_path / "events.csv").write_text("u,i\n" + "".join(f"u{n % 9},{n % 40:03d}\n" for n in range(400)))
    (tmp_path / "items.csv").write_text("i,x\n" + "".join(f"{n},1\n" for n in range(40)))
    (tmp_path / "c.yaml").write_text(
        "schema_version: 1\nname: shop\ndata:\n"
        "  interactions: {format: csv, path: events.csv, columns: {query_id: u, candidate_id: i}}\n"
        "  candidates: {format: csv, path: items.csv, id: i}\n"
        "validation: {described_candidates: {refuse_below: 0}}\n"
    )
    config, store = load_config(tmp_path / "c.yaml"), Store(tmp_path, "shop")
    pipeline = create_pipeline(config, tmp_path).until("ExampleValidator")
    for state in ("run", "cached"):
        run = new_run(tmp_path / "c.yaml")
        executions = LocalRunner(store, config.beam, PlainProgress("shop")).run(pipeline, run, Selection())
        assert {step.state for step in run.steps} == {state}
        warning = "warning: candidates.candidate_id: describes 0 of the 40 candidates in the interactions"
        assert warning in capsys.readouterr().err
        assert warning in summary(store, run, executions)
        assert "candidates describe 0 % of ids (0 % of events), 0 % occur" in summary(store, run, executions)


@pytest.mark.skipif(not CASE.is_dir(), reason="the shared cases are not beside this checkout")
def test_the_shared_case_is_refused(tmp_path):
    config = load_config(CASE / "config.yaml")
    pipeline = create_pipeline(config, tmp_path)
    runner = LocalRunner(Store(tmp_path, config.name), config.beam, PlainProgress(config.name))
    with pytest.raises(RefusedError, match="only in leading zeros: '0108775000' in the interactions, '108775000'"):
        runner.run(pipeline, new_run(CASE / "config.yaml"), Selection())


@pytest.mark.parametrize("limits", [{"refuse_below": 0.6, "warn_below": 0.5}, {"refuse_below": 0.51}])
def test_limits_in_the_wrong_order_are_refused(limits):
    with pytest.raises(ValueError, match=r"'refuse_below' \(0\.\d+\) must not be above 'warn_below' \(0\.5\)"):
        DescribedLimits(**limits)


@pytest.mark.parametrize("limits", [{"refuse_below": 0.5}, {"refuse_below": 0.9, "warn_below": 0}])
def test_limits_that_are_equal_or_off_are_fine(limits):
    DescribedLimits(**limits)
