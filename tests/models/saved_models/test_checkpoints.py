from pathlib import Path

import pytest
import tensorflow as tf

from models.saved_models.checkpoints import same_values


def checkpoint(directory: Path, values: list[float], *, name: str = "x", place: str = "weights") -> Path:
    """Writes a checkpoint of one variable and a string."""
    parts = {place: tf.Variable(values, name=name), "label": tf.Variable("text"), "ids": tf.Variable(["a", "b"])}
    return Path(tf.train.Checkpoint(**parts).write(str(directory / "variables")))


def test_names_of_variables_do_not_count(tmp_path: Path) -> None:
    first = checkpoint(tmp_path / "first", [1.0, 2.0])
    second = checkpoint(tmp_path / "second", [1.0, 2.0], name="y")
    assert first.with_suffix(".index").read_bytes() != second.with_suffix(".index").read_bytes()
    assert same_values(first, second)


@pytest.mark.parametrize(
    ("values", "place"), [([1.0, 2.5], "weights"), ([1.0, 2.0], "bias"), ([1.0], "weights"), ([1.0, -0.0], "weights")]
)
def test_values_and_places_count(tmp_path: Path, values: list[float], place: str) -> None:
    first = checkpoint(tmp_path / "first", [1.0, 0.0] if values[-1] == 0 else [1.0, 2.0])
    assert not same_values(first, checkpoint(tmp_path / "second", values, place=place))


def test_a_damaged_checkpoint_is_an_error(tmp_path: Path) -> None:
    first, second = (checkpoint(tmp_path / name, [1.0]) for name in ("first", "second"))
    second.with_suffix(".index").write_bytes(b"")
    with pytest.raises(tf.errors.OpError):
        same_values(first, second)


def test_strings_count(tmp_path: Path) -> None:
    written = [
        Path(tf.train.Checkpoint(ids=tf.Variable(["a", last])).write(str(tmp_path / last / "c"))) for last in ("b", "c")
    ]
    assert not same_values(*written)
