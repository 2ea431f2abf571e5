"""What `training.warm_start` accepts."""

import pytest
from pydantic import ValidationError

from models.spec.config import TrainingConfig
from models.spec.warm_start_config import WarmStart


def warm(value: object) -> WarmStart:
    return TrainingConfig.model_validate({"warm_start": value}).warm_start


@pytest.mark.parametrize("off", [None, False, "off", {}, {"base": "off"}])
def test_it_is_off_unless_a_base_is_named(off: object) -> None:
    assert not warm(off).is_on
    assert warm(off) == TrainingConfig().warm_start


def test_a_name_alone_is_the_base() -> None:
    assert warm("published") == warm({"base": "published"})
    assert (warm("run:20260101-1").run_id, warm("published").run_id) == ("20260101-1", "")


def test_what_was_written_out_can_be_read_again() -> None:
    for value in ("off", {"base": "published", "cold_every": 7, "learning_rate": 0.001}):
        training = TrainingConfig.model_validate({"warm_start": value})
        assert TrainingConfig.model_validate(training.model_dump(mode="json")) == training


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("newest", "should match pattern"),
        ("run:", "should match pattern"),
        ({"cold_every": 7}, "has settings but no 'base'"),
        ({"base": "published", "cold_every": 1}, "greater than or equal to 2"),
        ({"base": "published", "optimiser": "carry"}, "did you mean 'optimizer'"),
    ],
)
def test_wrong_values_are_refused(value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        warm(value)


def test_several_machines_cannot_start_warm() -> None:
    with pytest.raises(ValidationError, match="does not support warm_start"):
        TrainingConfig.model_validate({"warm_start": "published", "distribution": "multi_worker"})
