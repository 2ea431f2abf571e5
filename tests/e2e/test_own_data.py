"""Files as users have them run to a published model: small cuts of real data sets, and two columns of made-up ones."""

import csv
import gzip

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.e2e.conftest import QUICK, cli
from tests.paths import DATA
from tests.pipeline.drafting.drafts import draft_config

pytestmark = pytest.mark.e2e

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not beside this checkout")

QUICK_SETTINGS = [
    f"--set={setting}"
    for setting in (
        "training.max_epochs=1", "model.embedding_dim=16", "model.temperature=0.1",
        "serving.top_k=10", "serving.validation.sample_queries=4",
        "recommendations=null",
        "evaluation.min_lift_over_popularity=null",  # one epoch on little data; formats are what is tested here
    )
]  # fmt: skip


def interactions(count, *, queries=60, candidates=40, seed=0):
    """Pairs of ids with leading zeros and a unicode one, each once."""
    random = np.random.default_rng(seed)
    pairs = {(int(q), int(c)) for q, c in random.integers(0, [queries, candidates], (count, 2))}
    return [(f"{q:03d}", "ñandú" if c == 7 else f"{c:03d}") for q, c in sorted(pairs)]


def check(project, name, *, ids):
    """The model is published and answers with ids of the data."""
    answer = project.recommend(name, "-k", "5")
    assert len(set(answer)) == len(answer) > 0
    assert set(answer) <= set(ids)
    metrics = project.metrics(name)
    assert 0 <= metrics["test"]["recall@10"] <= 1


def test_two_columns_of_a_csv_are_enough(project):
    rows = interactions(900)
    with (project.directory / "pairs.csv").open("w", encoding="utf-8") as file:
        csv.writer(file).writerows([("who", "what"), *rows])
    config = project.directory / "drafted.yaml"
    assert cli("init", project.directory / "pairs.csv", "-o", config).code == 0
    assert cli("init", project.directory / "pairs.csv", "-o", config).code == 2, "never over an existing file"
    assert cli("validate", config).code == 0
    project.run(config, *QUICK_SETTINGS)
    name = config.read_text().split("name: ")[1].split()[0]
    check(project, name, ids={candidate for _, candidate in rows})
    protocol = project.metrics(name)["protocol"]
    assert "ratio" in str(protocol), "there is no order, so events are held out at random"


def test_gzipped_json_lines_with_an_order_column(project):
    rows = interactions(900)
    lines = [f'{{"q": "{q}", "c": "{c}", "n": {n}, "tags": ["a", "b"]}}\n' for n, (q, c) in enumerate(rows)]
    with gzip.open(project.directory / "events.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(lines)
    config = project.write_config(
        "lines",
        data={
            "interactions": {
                "format": "jsonl",
                "path": "events.jsonl.gz",
                "columns": {"query_id": "q", "candidate_id": "c", "order": "n"},
            }
        },
        features={"context": {"tags": {"type": "categorical", "max_values": 2}}},
        remove_seen=False,
        **QUICK,
    )
    project.run(config)
    check(project, "lines", ids={candidate for _, candidate in rows})


@needs_data
def test_parquet_trio(project):
    source = DATA / "ml-1m"
    table = pq.read_table(source / "interactions.parquet")
    pq.write_table(table.filter(pc.field("user_id") <= 80), project.directory / "interactions.parquet")
    for name in ("users", "movies"):
        pq.write_table(pq.read_table(source / f"{name}.parquet"), project.directory / f"{name}.parquet")
    project.run("tfx_config/movielens_1m.yaml", f"--set=data.base_dir={project.directory}", *QUICK_SETTINGS)
    check(project, "movielens_1m", ids=map(str, pq.read_table(source / "movies.parquet")["movie_id"].to_pylist()))


def cut(source, target, *, keep, encoding="utf-8"):
    """Copies the lines for which `keep(line)` is true."""
    lines = source.read_bytes().decode(encoding).splitlines(keepends=True)
    target.write_bytes("".join(line for line in lines if keep(line)).encode(encoding))


def begins_below(line, highest):
    """Whether a line of a CSV is its header or begins with numbers up to these."""
    found = line.split(",")[: len(highest)]
    return not found[0].isdecimal() or all(int(text) <= most for text, most in zip(found, highest, strict=True))


@needs_data
def test_pre_split_lines(project):
    for name in ("train", "valid", "test"):
        cut(
            DATA / "amazon-beauty" / f"{name}.txt",
            project.directory / f"{name}.txt",
            keep=lambda line: int(line.split()[0]) < 200,
        )
    project.run("tfx_config/amazon_beauty.yaml", f"--set=data.base_dir={project.directory}", *QUICK_SETTINGS)
    items = {line.split()[1] for file in project.directory.glob("*.txt") for line in file.read_text().splitlines()}
    check(project, "amazon_beauty", ids=items)


@needs_data
def test_raw_latin_1_text_without_headers(project):
    raw = DATA / "ml-100k-raw"
    cut(raw / "u.data", project.directory / "u.data", keep=lambda line: int(line.split("\t")[0]) <= 60)
    for name in ("u.user", "u.item"):
        cut(raw / name, project.directory / name, keep=lambda line: True, encoding="latin-1")
    project.run("tfx_config/movielens_100k_raw.yaml", f"--set=data.base_dir={project.directory}", *QUICK_SETTINGS)
    check(project, "movielens_100k_raw", ids=map(str, range(1, 1683)))


@needs_data
def test_spreadsheet_export(project):
    export = DATA / "movie-export"
    highest = {"movies.csv": (1500,), "ratings.csv": (60, 1500)}  # of the ids that its lines begin with
    for name, ids in highest.items():
        cut(export / name, project.directory / name, keep=lambda line, ids=ids: begins_below(line, ids))
    project.run("tfx_config/movie_export.yaml", f"--set=data.base_dir={project.directory}", *QUICK_SETTINGS)
    movies = (project.directory / "movies.csv").read_text(encoding="utf-8").splitlines()
    check(project, "movie_export", ids={row.split(",")[0] for row in movies})


@needs_data
def test_movielens_through_tensorflow_datasets(project, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(DATA / "tfds"))
    project.run("tfx_config/movielens_100k.yaml", *QUICK_SETTINGS, "--set=training.batch_size=8192")
    check(project, "movielens_100k", ids=map(str, range(1, 1683)))


@needs_data
def test_drafts_for_real_files_are_valid(project):
    for files in (["ml-1m/interactions.parquet", "ml-1m/users.parquet", "ml-1m/movies.parquet"],
                  ["movie-export/ratings.csv", "movie-export/movies.csv"]):  # fmt: skip
        file = project.directory / "draft.yaml"
        file.write_text(draft_config([str(DATA / name) for name in files]), encoding="utf-8")
        result = cli("validate", file)
        assert result.code == 0, result.err
