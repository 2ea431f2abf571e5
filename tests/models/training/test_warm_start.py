"""Widths of the embeddings of a warm training; `tests/components/trainer/test_warm_start.py` has what is carried."""

from models.spec.features import EncodedColumn, EncodedSpec, FeatureSpec
from models.towers.encoders import table_width
from models.training.warm_start import fixed_widths


def spec(topics: int) -> EncodedSpec:
    columns = {"candidate_id": 100, "topic": topics}
    return EncodedSpec(
        features=FeatureSpec.model_validate({"candidate": {"topic": {"type": "categorical"}}}),
        query={},
        context={},
        candidate={
            name: EncodedColumn(feature=name, kind="tokens", width=1, vocabulary_size=size)
            for name, size in columns.items()
        }
        | {"price": EncodedColumn(feature="price", kind="dense", width=1)},
    )


def test_a_grown_vocabulary_does_not_widen_its_embeddings() -> None:
    earlier, now = spec(20), spec(400)
    widths = [table_width(it.candidate["topic"], widest=64) for it in (earlier, now)]
    assert widths[0] < widths[1]
    fixed = fixed_widths(now, earlier, widest=64)
    assert table_width(fixed.candidate["topic"], widest=64) == widths[0]
    assert fixed.candidate["topic"].vocabulary_size == 400
    assert fixed.candidate["price"] == now.candidate["price"]
    again = fixed_widths(spec(5000), fixed, widest=64)
    assert table_width(again.candidate["topic"], widest=64) == widths[0], "a chain of nights keeps the first width"
