"""Every type of feature through the saved module: known, unknown, missing, Unicode, empty batches."""

import datetime
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from models.preprocessing.feature_preprocessing import LARGEST, FeatureStatistics
from models.preprocessing.preprocessing import Preprocessing, encode, load_preprocessing
from models.spec.features import MISSING_TIMESTAMP, FeatureSpec, Side, encoded_names

STRANGE = ["naïve", "line\nbreak", "tab\t", "car\rriage", "日本語", "", " "]

FEATURES = FeatureSpec.model_validate(
    {
        "query": {
            "city": {"type": "categorical", "oov_buckets": 3},
            "tags": {"type": "categorical", "max_values": 3},
            "age": {"type": "numeric"},
            "income": {"type": "numeric", "transform": "log"},
            "visits": {"type": "numeric", "transform": "quantile", "buckets": 4},
            "spent": {"type": "numeric", "transform": "piecewise", "buckets": 4},
        },
        "candidate": {
            "title": {"type": "text", "max_tokens": 3, "trigram_buckets": 50, "max_trigrams": 8},
            "image": {"type": "vector", "dimension": 2},
            "released": {"type": "timestamp", "parts": ["hour", "weekday", "month", "year"]},
        },
        "candidate_id": {"type": "id", "oov_buckets": 2},
        "history": {"max_length": 3},
    }
)
Statistics = dict[Side, dict[str, FeatureStatistics]]
STATISTICS: Statistics = {
    "query": {
        "city": FeatureStatistics(vocabulary=[value for value in STRANGE if value]),
        "tags": FeatureStatistics(vocabulary=["x", "y", "z"]),
        "age": FeatureStatistics(mean=30, std=10),
        "income": FeatureStatistics(mean=np.log1p(100), std=2),
        "visits": FeatureStatistics(boundaries=(1, 5, 10)),
        "spent": FeatureStatistics(boundaries=(1, 5, 10)),
    },
    "candidate": {
        "candidate_id": FeatureStatistics(vocabulary=["a", "b", "c", "d"]),
        "title": FeatureStatistics(vocabulary=["the", "straße", "हिन्दी"]),
    },
}


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> tf.Module:
    directory = tmp_path_factory.mktemp("preprocessing")
    preprocessing = Preprocessing(FEATURES, STATISTICS, assets=directory / "assets")
    preprocessing.save(directory / "saved_model")
    for asset in (directory / "assets").iterdir():
        asset.unlink()  # the saved copy must not need the originals
    return load_preprocessing(directory / "saved_model")


def query(module: tf.Module, **given: list) -> dict[str, np.ndarray]:
    rows = len(next(iter(given.values())))
    raw = {
        "city": np.full(rows, "", object),
        "tags": np.full((rows, 3), "", object),
        "age": np.full(rows, np.nan, np.float32),
        "income": np.full(rows, np.nan, np.float32),
        "visits": np.full(rows, np.nan, np.float32),
        "spent": np.full(rows, np.nan, np.float32),
    }
    raw |= {name: np.array(values, raw[name].dtype) for name, values in given.items()}
    return encode(module, "query", raw)


def candidate(module: tf.Module, rows: int = 1, **given: list) -> dict[str, np.ndarray]:
    raw = {
        "candidate_id": np.full(rows, "", object),
        "title": np.full(rows, "", object),
        "image": np.full((rows, 2), np.nan, np.float32),
        "released": np.full(rows, MISSING_TIMESTAMP, np.int64),
    }
    raw |= {name: np.array(values, raw[name].dtype) for name, values in given.items()}
    return encode(module, "candidate", raw)


def test_a_category_may_contain_any_characters(module: tf.Module) -> None:
    tokens = query(module, city=STRANGE)["city"][:, 0]
    assert tokens.tolist() == [4, 5, 6, 7, 8, 0, 9]


def test_unknown_categories_share_the_oov_buckets(module: tf.Module) -> None:
    tokens = query(module, city=[f"unknown {i}" for i in range(200)])["city"][:, 0]
    assert set(tokens) == {1, 2, 3}


def test_lists_are_packed_and_padded(module: tf.Module) -> None:
    tags = query(module, tags=[["x", "", "z"], ["", "", ""], ["?", "y", "x"]])["tags"]
    assert tags.tolist() == [[2, 4, 0], [0, 0, 0], [1, 3, 2]]


def test_numbers_are_scaled_and_missing_ones_replaced_by_the_mean(module: tf.Module) -> None:
    encoded = query(module, age=[30, 45, np.nan, np.inf], income=[100, -100, np.nan, 0])
    np.testing.assert_allclose(encoded["age"][:, 0], [0, 1.5, 0, 0], atol=1e-6)
    expected = (np.array([1, -1]) * np.log1p(100) - np.log1p(100)) / 2
    np.testing.assert_allclose(encoded["income"][:2, 0], expected, rtol=1e-5)


def test_quantiles_are_buckets_after_the_missing_one(module: tf.Module) -> None:
    visits = query(module, visits=[-3, 1, 4.9, 5, 10, 1e9, np.nan])["visits"][:, 0]
    assert visits.tolist() == [1, 2, 2, 3, 4, 4, 0]


def test_piecewise_numbers_are_encoded_by_their_position_in_each_bucket(module: tf.Module) -> None:
    spent = query(module, spent=[-3, 1, 3, 5, 9, 1e30, np.nan])["spent"]
    expected: list[list[float]] = [[1, 0, 0], [1, 0, 0], [1, 0.5, 0], [1, 1, 0], [1, 1, 0.8], [1, 1, 1], [0, 0, 0]]
    np.testing.assert_allclose(spent, expected, atol=1e-6)


def test_a_number_without_spread_is_zero(tmp_path: Path) -> None:
    features = FeatureSpec.model_validate({"query": {"age": {"type": "numeric"}}})
    preprocessing = Preprocessing(features, {}, assets=tmp_path)
    assert preprocessing.encode_query({"age": tf.constant([5.0, np.nan])})["age"].numpy().tolist() == [[0], [0]]


def test_text_is_lower_cased_and_split_in_any_script(module: tf.Module) -> None:
    titles = candidate(module, 3, title=["THE «straße»!the", "हिन्दी, ÉTÉ", "..."])["title"]
    assert titles.tolist() == [[2, 3, 2], [4, 1, 0], [0, 0, 0]]


def test_trigrams_do_not_cross_words(module: tf.Module) -> None:
    trigrams = candidate(module, 4, title=["ab", "ab cd", "cd", "long words fill every place"])["title_trigrams"]
    assert trigrams.shape == (4, 8)
    assert trigrams[1].tolist() == [*trigrams[0, :2], *trigrams[2, :2], 0, 0, 0, 0]
    assert trigrams[3].min() > 0
    assert trigrams.max() <= 50


def test_vectors_are_unchanged_and_missing_ones_zero(module: tf.Module) -> None:
    image = candidate(module, 3, image=[[1, 2], [np.nan, 2], [np.nan, np.nan]])["image"]
    assert image.tolist() == [[1, 2], [0, 0], [0, 0]]


def test_huge_numbers_are_clipped(module: tf.Module, tmp_path: Path) -> None:
    image = candidate(module, 2, image=[[3e38, -3e38], [1e5, -1e5]])["image"]
    assert image.tolist() == [[LARGEST, -LARGEST], [1e5, -1e5]]
    features = FeatureSpec.model_validate({"query": {"age": {"type": "numeric"}}})
    statistics: Statistics = {"query": {"age": FeatureStatistics(mean=0.5, std=0.01)}}
    preprocessing = Preprocessing(features, statistics, assets=tmp_path)
    assert preprocessing.encode_query({"age": tf.constant([3e38, -3e38])})["age"].numpy().tolist() == [
        [LARGEST],
        [-LARGEST],
    ]


def test_calendar_parts_equal_those_of_the_standard_library(module: tf.Module) -> None:
    random_moments = np.random.default_rng(1).integers(-5_000_000_000, 5_000_000_000, 2_000).tolist()
    edges = [
        "2000-02-29T23:59:59",
        "1999-12-31T23:59:59",
        "2000-03-01T00:00:00",
        "1970-01-01T00:00:00",
        "2100-03-01T00:00:00",
    ]
    epoch = datetime.datetime(1970, 1, 1)
    moments = [*random_moments, *(int((datetime.datetime.fromisoformat(e) - epoch).total_seconds()) for e in edges)]
    encoded = candidate(module, len(moments), released=moments)
    times = [epoch + datetime.timedelta(seconds=moment) for moment in moments]
    assert encoded["released_hour"][:, 0].tolist() == [time.hour + 1 for time in times]
    assert encoded["released_weekday"][:, 0].tolist() == [time.isoweekday() for time in times]
    assert encoded["released_month"][:, 0].tolist() == [time.month for time in times]
    assert encoded["released_year"][:, 0].tolist() == [min(max(time.year, 1970), 2099) - 1969 for time in times]
    assert {int(values[0, 0]) for name, values in candidate(module).items() if name.startswith("released")} == {0}


def test_history_is_newest_first_and_packed(module: tf.Module) -> None:
    ids = tf.constant([["", "a", "", "b"], ["a", "b", "c", "d"], ["", "", "", ""], ["a", "?", "", ""]])
    tokens = module.encode_history(ids).numpy()
    assert tokens[:3].tolist() == [[4, 3, 0], [6, 5, 4], [0, 0, 0]]
    assert tokens[3, 0] in (1, 2)
    assert tokens[3, 1:].tolist() == [3, 0]


@pytest.mark.parametrize("shape", [(2, 0), (0, 0), (0, 4), (2, 1)])
def test_history_of_any_length(module: tf.Module, shape: tuple[int, int]) -> None:
    tokens = module.encode_history(tf.fill(shape, "b")).numpy()
    assert tokens.tolist() == [[4, 0, 0] if shape[1] else [0, 0, 0]] * shape[0]
    assert tokens.dtype == np.int32


def test_an_empty_batch_has_the_widths_of_the_specification(module: tf.Module, tmp_path: Path) -> None:
    spec = Preprocessing(FEATURES, STATISTICS, assets=tmp_path).spec
    empty: dict[Side, dict[str, np.ndarray]] = {"query": query(module, age=[]), "candidate": candidate(module, 0)}
    for side, encoded in empty.items():
        assert set(encoded) == set(spec.of(side))
        for name, column in spec.of(side).items():
            assert encoded[name].shape == (0, column.width)
            assert encoded[name].dtype == (np.int32 if column.kind == "tokens" else np.float32)


def test_tokens_stay_below_the_vocabulary_size(module: tf.Module, tmp_path: Path) -> None:
    spec = Preprocessing(FEATURES, STATISTICS, assets=tmp_path).spec
    assert spec.query["city"].vocabulary_size == 1 + 3 + 6
    assert spec.query["visits"].vocabulary_size == 5
    assert spec.candidate["title"].vocabulary_size == 5
    assert spec.candidate["title_trigrams"].vocabulary_size == 51
    assert spec.candidate["released_year"].vocabulary_size == 131
    assert all(set(encoded_names(name, f)) <= set(spec.candidate) for name, f in FEATURES.of("candidate").items())


def test_a_side_without_features_encodes_to_nothing(module: tf.Module) -> None:
    assert module.encode_context({}) == {}


def test_two_models_in_one_process_keep_their_own_vocabularies(tmp_path: Path) -> None:
    features = FeatureSpec.model_validate({"query": {"city": {"type": "categorical"}}})
    tokens = []
    for vocabulary in (["a", "b"], ["b", "a"]):
        statistics: Statistics = {"query": {"city": FeatureStatistics(vocabulary=vocabulary)}}
        Preprocessing(features, statistics, assets=tmp_path / "assets").save(tmp_path / vocabulary[0])
        tokens.append(load_preprocessing(tmp_path / vocabulary[0]))
    asked = {"city": np.array(["a"], object)}
    assert [int(encode(loaded, "query", asked)["city"][0, 0]) for loaded in tokens] == [2, 3]


def test_a_server_that_runs_sessions_can_use_it_inside_another_model(tmp_path: Path) -> None:
    class Server(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = load_preprocessing(tmp_path / "inner")

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "city")])
        def serve(self, city: tf.Tensor) -> dict[str, tf.Tensor]:
            return self.inner.encode_query({"city": city})

    features = FeatureSpec.model_validate({"query": {"city": {"type": "categorical"}}})
    statistics: Statistics = {"query": {"city": FeatureStatistics(vocabulary=["line\nbreak", "b"])}}
    Preprocessing(features, statistics, assets=tmp_path / "assets").save(tmp_path / "inner")
    server = Server()
    tf.saved_model.save(server, str(tmp_path / "outer"), signatures=server.serve)
    (tmp_path / "inner").rename(tmp_path / "elsewhere")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.load(session, ["serve"], str(tmp_path / "outer"))
        signature = graph.signature_def["serving_default"]
        city = session.run(signature.outputs["city"].name, {signature.inputs["city"].name: ["b", "line\nbreak", ""]})
    assert city.tolist() == [[3], [2], [0]]


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"query": {"a": {"type": "timestamp", "parts": ["hour"]}, "a_hour": {"type": "numeric"}}}, "both encoded as"),
        ({"context": {"rating": {"type": "numeric", "column": "weight"}}}, "unknown before the event"),
        ({"candidate_id": {"type": "id", "column": "sku"}}, "leave out 'column'"),
    ],
)
def test_contradictory_features_are_refused(features: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FeatureSpec.model_validate(features)
