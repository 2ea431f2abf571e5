"""A backfill runs each span once, oldest first, and continues where it stopped."""

from datetime import date, timedelta

import pytest

from dataplane.errors import ConfigError, RefusedError
from pipeline.backfill import Backfill
from pipeline.cli import main
from pipeline.config.config import load_config
from pipeline.config.settings import settings_given, span_setting
from pipeline.create_pipeline import create_pipeline
from pipeline.execution.metadata import Run, Step, Store
from pipeline.running import Finished

CONFIG = """\
schema_version: 1
name: nightly
data:
  spans: {last: 2}
  interactions:
    format: csv
    path: events/dt={SPAN}/e.csv
    columns: {query_id: u, candidate_id: i}
"""
DAYS = [str(date(2026, 11, 1) + timedelta(days=day)) for day in range(4)]


@pytest.fixture
def file(tmp_path):
    for day in DAYS:
        (tmp_path / f"events/dt={day}").mkdir(parents=True)
        (tmp_path / f"events/dt={day}/e.csv").write_text("u,i\na,x\n")
    (tmp_path / "c.yaml").write_text(CONFIG)
    return tmp_path / "c.yaml"


class Night:
    """Records a finished run of every step for each span, until one is refused."""

    def __init__(self, file, settings=(), refused=""):
        self.file, self.settings, self.refused = file, settings, refused
        self.root = file.parent / "runs"
        self.ran, self.told = [], []

    def __call__(self, span):
        self.ran.append(span)
        if span == self.refused:
            raise RefusedError("too few rows")
        config = load_config(self.file, [*self.settings, span_setting(span)])
        store = Store(self.root, config.name)
        steps = [Step(node.id, "run") for node in create_pipeline(config, self.root).nodes]
        run = Run(f"20261129T00000{len(store.runs())}.000000Z-0000", "c.yaml", 1, state="done", steps=steps)
        run.settings = settings_given(config)
        store.save_run(run)
        return Finished(store, run, {})

    def backfill(self, first=DAYS[0], last=DAYS[-1], **options):
        spans = Backfill.between(self.file, first, last, root=self.root, settings=self.settings, **options)
        return list(spans.run(self, self.told.append))


def test_each_span_is_run_once_oldest_first(file):
    night = Night(file)
    done = night.backfill()
    assert night.ran == DAYS
    assert [each.run.span for each in done] == DAYS
    assert night.told[0] == "span 2026-11-01 (1 of 4)"


def test_a_refused_span_ends_it_and_the_same_command_continues_there(file):
    night = Night(file, refused=DAYS[2])
    with pytest.raises(RefusedError, match=r"span 2026-11-03 \(3 of 4\): too few rows"):
        night.backfill()
    assert night.ran == DAYS[:3]
    again = Night(file)
    again.backfill()
    assert again.ran == DAYS[2:]
    assert again.told[:2] == ["span 2026-11-01 (1 of 4): is done", "span 2026-11-02 (2 of 4): is done"]


def test_other_settings_and_no_cache_run_finished_spans_again(file):
    Night(file).backfill(last=DAYS[1])
    other = Night(file, ["seed=7"])
    other.backfill(last=DAYS[1])
    assert other.ran == DAYS[:2]
    again = Night(file)
    again.backfill(last=DAYS[1], again=True)
    assert again.ran == DAYS[:2]


def test_a_run_of_some_steps_does_not_finish_a_span(file):
    night = Night(file)
    [done] = night.backfill(last=DAYS[0])
    done.run.steps = done.run.steps[:1]
    done.store.save_run(done.run)
    again = Night(file)
    again.backfill(last=DAYS[0])
    assert again.ran == DAYS[:1]


def test_spans_without_files_are_left_out_if_the_settings_say_so(file):
    (file.parent / f"events/dt={DAYS[1]}/e.csv").unlink()
    night = Night(file, ["data.spans.missing=skip"])
    night.backfill()
    assert night.ran == [DAYS[0], *DAYS[2:]]
    assert "span 2026-11-02 (2 of 4): has no files and is left out" in night.told


def test_a_backfill_needs_spans(file):
    with pytest.raises(ConfigError, match=r"no \{SPAN\}"):
        Night(file, [f"data.interactions.path=events/dt={DAYS[0]}", "data.spans=null"]).backfill()
    with pytest.raises(ConfigError, match=r"2026-11-04 is after 2026-11-01"):
        Night(file).backfill(first=DAYS[3], last=DAYS[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--span", "yesterday"], "'yesterday' is not a span; allowed: 2026-11-21"),
        (["--spans", "2026-11-01"], "is not of the form FIRST..LAST"),
        (["--spans", "2026-11-01..2026-11-02", "--span", "2026-11-01"], "not allowed with"),
        (["--spans", "2026-11-01..2026-11-02", "--from", "Trainer"], "--spans runs all steps"),
        (["--spans", "2026-11-01..2026-11-02", "--until", "Trainer"], "--spans runs all steps"),
        (["--only", "Transform", "--until", "Trainer"], "--until runs steps that --only leaves alone"),
    ],
)
def test_wrong_options_are_usage_errors(file, options, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["run", str(file), *options])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_span_that_does_not_exist_names_key_and_spans(file, capsys):
    assert main(["run", str(file), "--span", "2026-10-01", "--root", str(file.parent / "runs")]) == 2
    told = capsys.readouterr().err
    assert "data.spans.span: no span up to 2026-10-01 has files" in told
    assert "there are spans 2026-11-01 to 2026-11-04" in told


def test_waiting_is_no_part_of_the_cache_key(file):
    keys = set()
    for settings in ([], ["data.spans.missing=wait"], ["data.spans.missing=wait", "data.spans.wait_minutes=5"]):
        config = load_config(file, settings)
        keys.add(str(create_pipeline(config, file.parent).nodes[0].component.params.model_dump()))
    assert len(keys) == 1
    assert settings_given(config)["data"]["spans"]["wait_minutes"] == 5


def test_the_newest_span_is_recorded_as_the_runs(file):
    assert settings_given(load_config(file))["data"]["spans"] == {"last": 2, "span": DAYS[-1]}
