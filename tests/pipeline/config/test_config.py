"""What `validate` refuses, and with which message."""

import pytest

from pipeline.cli import main
from pipeline.config.config import load_config
from tests.pipeline.config.changes import drop, put


def test_a_valid_configuration_is_loaded(write):
    config = load_config(write())
    assert config.name == "shop"
    assert config.resolved_split.method == "leave_last_n", "there is a timestamp to order by"


REFUSED = {
    "unknown section": (put("trainig", {}), "trainig", "did you mean 'training'"),
    "unknown key": (put("training.batchsize", 3), "training", "did you mean 'batch_size'"),
    "unknown key in a feature": (put("features.query.country.mincount", 3), "features.query.country", "min_count"),
    "missing section": (drop("data"), "data", "required"),
    "missing version": (drop("schema_version"), "schema_version", "required"),
    "version of the future": (put("schema_version", 2), "schema_version", "1"),
    "name with a slash": (put("name", "../shop"), "name", "pattern"),
    "reserved name": (put("name", "serving"), "name", "published"),
    "name with capitals": (put("name", "Shop"), "name", "pattern"),
    "negative seed": (put("seed", -1), "seed", "greater than or equal to 0"),
    "number as text": (put("training.batch_size", "many"), "training.batch_size", "integer"),
    "number out of range": (put("training.batch_size", 1), "training.batch_size", "greater than or equal to 2"),
    "not a number": (put("training.learning_rate", float("nan")), "training.learning_rate", "finite"),
    "zero temperature": (put("model.temperature", 0), "model.temperature", "greater than 0"),
    "temperature of a loss without one": (
        lambda values: (put("model.temperature", 0.2)(values), put("training.loss", "triplet")(values)),
        "model.temperature",
        "leave temperature out",
    ),
    "temperature to be chosen by trial runs of several workers": (
        put("training.distribution", "multi_worker"),
        "model.temperature",
        "learned",
    ),
    "labels to be chosen by trial runs of several workers": (
        lambda values: (
            put("training.distribution", "multi_worker")(values),
            put("model.temperature", 0.1)(values),
            values.update(split={"method": "time"}),
        ),
        "training.labels",
        "give next or later",
    ),
    "later labels of a bag": (
        lambda values: (drop("data.interactions.columns.timestamp")(values), put("training.labels", "later")(values)),
        "training.labels",
        "timestamp or order",
    ),
    "later labels of no history": (
        lambda values: (put("features.history", None)(values), put("training.labels", "later")(values)),
        "training.labels",
        "features.history is null",
    ),
    "unknown loss": (put("training.loss", "hinge"), "training.loss", "full_softmax"),
    "closed form with features": (put("training.method", "closed_form"), "training.method", "country, price"),
    "closed form of layers": (
        lambda values: (
            values.update(features={}),
            put("training.method", "closed_form")(values),
            put("model.query_tower", {"layers": [8]})(values),
        ),
        "model.query_tower",
        "has no effect on a closed form",
    ),
    "siamese towers of different inputs": (put("model.siamese", True), "model.siamese", "country, price"),
    "features that nothing would read": (
        put("model.query_tower", {"projection": False}),
        "model.query_tower.projection",
        "leave out country",
    ),
    "order that a bag does not have": (
        lambda values: (
            drop("data.interactions.columns.timestamp")(values),
            put("model.history_encoder", "gru")(values),
        ),
        "model.history_encoder",
        "timestamp or order",
    ),
    "sequences for an encoder without order": (put("training.examples", "sequences"), "training.examples", "gru"),
    "age of examples without a time": (
        lambda values: (drop("data.interactions.columns.timestamp")(values), put("model.example_age", True)(values)),
        "model.example_age",
        "timestamp",
    ),
    "augmented vectors of nobody": (
        put("model.augmentation", {"query_id": "country"}),
        "model.augmentation.query_id",
        "type id",
    ),
    "weights of events that are not used": (
        lambda values: (
            put("training.use_weights", False)(values),
            put("training.event_weights", {"column": "device", "weights": {"tv": 1}})(values),
        ),
        "training",
        "no effect",
    ),
    "weights of kinds of events that nothing tells": (
        put("training.event_weights", {"column": "action", "weights": {"buy": 1}}),
        "training.event_weights.column",
        "device",
    ),
    "a queue on several devices": (
        lambda values: (
            put("training.loss", "sampled_softmax")(values),
            put("training.negatives", "cross_batch")(values),
            put("training.distribution", "mirrored")(values),
        ),
        "training",
        "whose state lives in one process",
    ),
    "a queue for a loss that does not correct": (
        lambda values: (put("training.loss", "bpr")(values), put("training.negatives", "cross_batch")(values)),
        "training",
        "cross_batch",
    ),
    "negatives that are not used": (put("training.negatives", "uniform"), "training", "another loss"),
    "unknown negatives": (put("training.negatives", "hard"), "training.negatives", "popularity"),
    "unknown optimiser": (put("training.optimizer", "sgd"), "training.optimizer", "adagrad"),
    "unknown score": (put("model.score", "euclid"), "model.score", "cosine"),
    "dropout of one": (put("model.query_tower.dropout", 1), "model.query_tower.dropout", "less than 1"),
    "unknown format": (put("data.interactions.format", "xml"), "data.interactions.format", "parquet"),
    "no format": (drop("data.interactions.format"), "data.interactions.format", "required"),
    "unknown encoding": (put("data.interactions.encoding", "utf-9"), "data.interactions.encoding", "latin-1"),
    "no query id": (drop("data.interactions.columns.query_id"), "data.interactions.columns.query_id", "required"),
    "two roles for a column": (put("data.interactions.columns.order", "at"), "data.interactions", "cannot be both"),
    "bad fraction above one": (put("data.max_bad_fraction", 2), "data.max_bad_fraction", "less than"),
    "column not in the CSV header": (
        put("data.interactions.columns.timestamp", "when"),
        "data.interactions.columns.timestamp",
        "device",
    ),
    "id not in the table": (put("data.queries.id", "uid"), "data.queries.id", "country"),
    "column not in the Parquet schema": (
        put("features.candidate.colour", {"type": "categorical"}),
        "features.candidate.colour",
        "price",
    ),
    "feature of a table that is not given": (drop("data.queries"), "features.query.country", "data.queries"),
    "missing file": (put("data.queries.path", "nobody.csv"), "data.queries.path", "nobody.csv"),
    "unknown feature type": (put("features.query.country.type", "color"), "features.query.country.type", "categorical"),
    "buckets without quantiles": (put("features.candidate.price.buckets", 5), "features.candidate.price", "quantile"),
    "feature name with a dash": (put("features.query.a-b", {"type": "id"}), "features.query", "pattern"),
    "query tower without input": (
        lambda values: values.update(features={"history": None}),
        "features",
        "at least one query or context feature",
    ),
    "unknown split": (put("split", {"method": "random"}), "split.method", "leave_last_n"),
    "split by files that are not": (put("split", {"method": "files"}), "split.method", "train"),
    "order needed and not there": (
        lambda values: (
            drop("data.interactions.columns.timestamp")(values),
            put("split.method", "leave_last_n")(values),
        ),
        "split.method",
        "timestamp",
    ),
    "split fractions beyond all": (
        put("split", {"method": "ratio", "test_fraction": 0.6, "validation_fraction": 0.6}),
        "split",
        "",
    ),
    "threshold on an unknown metric": (put("evaluation.thresholds", {"auc@10": 0.5}), "evaluation", "recall@10"),
    "slice by an unknown feature": (put("evaluation.slices", ["colour"]), "evaluation.slices", "country"),
    "no answers": (put("serving.top_k", 0), "serving.top_k", "greater than or equal to 1"),
    "unknown runner": (put("beam.runner", "direct"), "beam.runner", "in_process"),
    "a list where a mapping belongs": (put("training", [1]), "training", "dictionary"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_problems_name_the_key_and_what_is_allowed(case, write, capsys):
    change, key, allowed = REFUSED[case]
    file = write(change)
    assert main(["validate", str(file)]) == 2
    output = capsys.readouterr().err
    assert str(file) in output
    problem = next((line for line in output.splitlines() if line.strip().startswith(key)), None)
    assert problem is not None, output
    assert allowed in problem, output
    assert "Traceback" not in output


def test_all_problems_are_listed_at_once(write, capsys):
    change = lambda values: (put("seed", -1)(values), put("training.loss", "hinge")(values))  # noqa: E731
    assert main(["validate", str(write(change))]) == 2
    output = capsys.readouterr().err
    assert "2 problems" in output
    assert "shop.yaml:" in output, "the line it was written on"


def test_a_missing_file_is_reported_with_the_line_of_its_path(write, capsys):
    file = write(put("data.candidates.path", "nothing.csv"))
    line = 1 + next(at for at, text in enumerate(file.read_text().splitlines()) if "nothing.csv" in text)
    assert main(["validate", str(file)]) == 2
    assert f"nothing.csv does not exist  [{file}:{line}]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "is_long"),
    [("feature", False), ("xyzzy", True), ("training.batchsize", False), ("serving.topk", True)],
)
def test_allowed_keys_are_listed_unless_many_and_one_is_meant(path, is_long, write, capsys):
    assert main(["validate", str(write(put(path, {})))]) == 2
    assert ("; allowed: " in capsys.readouterr().err) == is_long


def test_several_unknown_keys_are_reported_with_the_line_of_the_first(write, capsys):
    file = write(lambda values: (put("feature", {})(values), put("xyzzy", 1)(values)))
    line = 1 + file.read_text().splitlines().index("feature: {}")
    assert main(["validate", str(file)]) == 2
    output = capsys.readouterr().err
    assert "  feature: unknown key 'feature', 'xyzzy' (did you mean 'features'?); allowed: " in output
    assert f"[{file}:{line}]" in output


def test_settings_are_checked_like_the_file(write, capsys):
    assert main(["validate", str(write()), "--set", "training.batch_size=none"]) == 2
    assert "[--set]" in capsys.readouterr().err


def test_several_workers_need_no_temperature_if_the_loss_has_none(write):
    training = {"distribution": "multi_worker", "loss": "triplet"}
    file = write(lambda values: values.update(training=training))
    assert load_config(file).model.temperature == "auto"
