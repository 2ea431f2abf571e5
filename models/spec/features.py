"""The feature specification: which raw columns feed which tower, and how each is encoded.

Free of TensorFlow, so that a configuration is checked before TensorFlow loads.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from models.spec.strict import Strict

Side: TypeAlias = Literal["query", "candidate", "context"]

QUERY_ID = "query_id"
CANDIDATE_ID = "candidate_id"
TIMESTAMP = "timestamp"
HISTORY = "history"
EXAMPLE_AGE = "example_age"
MISSING_TIMESTAMP = -(2**63)
_SIGNATURE_INPUTS = {"candidate_ids", "exclude_ids", "allow_ids"}


class _Feature(Strict):
    column: str | None = None
    """Source column; defaults to the feature's name."""


class _Embedded(_Feature):
    embedding_dim: int | None = Field(default=None, ge=1, le=4096)
    """Width of the embedding; derived from the vocabulary size if absent."""


class IdFeature(_Embedded):
    """An identifier with many values, looked up in a vocabulary learned from the training events."""

    type: Literal["id"]
    min_count: int = Field(default=1, ge=1)
    """Values seen fewer times share the out-of-vocabulary buckets."""
    oov_buckets: int = Field(default=1, ge=1)
    """Rows shared by values outside the vocabulary, chosen by hash."""
    max_vocabulary: int | None = Field(default=None, ge=1)
    """Keep only the most frequent values."""


class CategoricalFeature(_Embedded):
    """A value, or a list of values, from a set learned from the data."""

    type: Literal["categorical"]
    max_values: int = Field(default=1, ge=1, le=1000)
    """Number of values kept from a list; 1 for a plain column."""
    min_count: int = Field(default=1, ge=1)
    """Values seen fewer times share the out-of-vocabulary buckets."""
    oov_buckets: int = Field(default=1, ge=1)
    """Rows shared by values outside the vocabulary, chosen by hash."""
    max_vocabulary: int | None = Field(default=None, ge=1)
    """Keep only the most frequent values."""


class NumericFeature(_Embedded):
    """A number. A missing one is replaced by the mean, or has its own bucket."""

    type: Literal["numeric"]
    transform: Literal["zscore", "log", "quantile", "piecewise"] = "zscore"
    """`zscore`: (x − mean) / std. `log`: z-score of sign(x)·log(1 + |x|). `quantile`: an embedding per quantile bucket.
    `piecewise`: the position within each bucket, from 0 to 1, so that the tower's first layer is a piecewise linear
    function of the number (Gorishniy et al. 2022)."""
    buckets: int = Field(default=10, ge=2, le=1000)
    """Number of quantile buckets."""

    @model_validator(mode="after")
    def _buckets_need_quantile(self) -> "NumericFeature":
        # Compares with the defaults, so that a configuration written out in full can be read again.
        if self.transform not in ("quantile", "piecewise") and self.buckets != 10:
            raise ValueError("'buckets' needs transform: quantile or piecewise")
        if self.transform != "quantile" and self.embedding_dim is not None:
            raise ValueError("'embedding_dim' needs transform: quantile")
        return self


class TimestampFeature(_Embedded):
    """Calendar parts of a timestamp (UTC), each with its own embedding."""

    type: Literal["timestamp"]
    parts: tuple[Literal["hour", "weekday", "month", "year"], ...] = ("hour", "weekday")
    """The calendar parts that are used."""

    @model_validator(mode="after")
    def _parts_are_distinct(self) -> "TimestampFeature":
        if not self.parts or len(set(self.parts)) != len(self.parts):
            raise ValueError("'parts' must name at least one part, each once")
        return self


class TextFeature(_Embedded):
    """Free text: a bag of its most frequent tokens and, optionally, of hashed letter trigrams (DSSM)."""

    type: Literal["text"]
    max_tokens: int = Field(default=16, ge=1, le=1000)
    """Number of tokens kept from a text."""
    min_count: int = Field(default=5, ge=1)
    """Tokens seen fewer times in the column share one row. A token of very few texts would act as an id and teach
    nothing about other texts."""
    max_vocabulary: int = Field(default=20_000, ge=1)
    """Number of most frequent tokens with their own row; the others share one."""
    trigram_buckets: int = Field(default=0, ge=0)
    """Rows for hashed letter trigrams of `#word#` (Huang et al. 2013); 0 disables them."""
    max_trigrams: int = Field(default=64, ge=1, le=5000)
    """Number of trigrams kept from a text."""


class VectorFeature(_Feature):
    """A dense vector computed elsewhere, such as an image or sentence embedding."""

    type: Literal["vector"]
    dimension: int = Field(ge=1, le=65_536)
    """Length of the vector; a row of another length is an error."""


Feature: TypeAlias = Annotated[
    IdFeature | CategoricalFeature | NumericFeature | TimestampFeature | TextFeature | VectorFeature,
    Field(discriminator="type"),
]


def encoded_names(name: str, feature: Feature) -> tuple[str, ...]:
    """Names of the encoded columns of the feature `name`."""
    if isinstance(feature, TimestampFeature):
        return tuple(f"{name}_{part}" for part in feature.parts)
    if isinstance(feature, TextFeature) and feature.trigram_buckets:
        return (name, f"{name}_trigrams")
    return (name,)


class HistoryFeature(Strict):
    """The candidates that the query interacted with before, most recent last."""

    max_length: int = Field(default=50, ge=1, le=10_000)
    """Number of earlier events that the query tower reads."""


FeatureName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=64)]


class FeatureSpec(Strict):
    """Features of both towers. The candidate id is always a feature of the candidate tower."""

    query: dict[FeatureName, Feature] = Field(default_factory=dict)
    """Columns of the query table, by feature name."""
    context: dict[FeatureName, Feature] = Field(default_factory=dict)
    """Columns of the interaction that are known at request time, such as device or hour of the day."""
    candidate: dict[FeatureName, Feature] = Field(default_factory=dict)
    """Columns of the candidate table, by feature name."""
    candidate_id: IdFeature = IdFeature(type="id")
    """Vocabulary of candidate ids, shared by the candidate tower and the history."""
    history: HistoryFeature | None = HistoryFeature()
    """`null` removes the history from the query tower."""

    @model_validator(mode="after")
    def _query_tower_has_inputs(self) -> "FeatureSpec":
        if CANDIDATE_ID in self.candidate:
            raise ValueError("'candidate_id' is always a candidate feature; configure it as features.candidate_id")
        if self.candidate_id.column not in (None, CANDIDATE_ID):
            raise ValueError("features.candidate_id always reads the column candidate_id; leave out 'column'")
        if self.history is None and not self.query and not self.context:
            raise ValueError("a query tower without history needs at least one query or context feature")
        if HISTORY in self.query or HISTORY in self.context:
            raise ValueError("'history' is configured as features.history, not as a feature of that name")
        taken = sorted(_SIGNATURE_INPUTS & (set(self.query) | set(self.context)))
        if taken:
            raise ValueError(f"'{taken[0]}' is a reserved input name of the served model; rename the feature")
        shared = set(self.query) & set(self.context)
        if shared:
            raise ValueError(f"query and context features share the names {', '.join(sorted(shared))}; rename them")
        return self

    @model_validator(mode="after")
    def _context_is_known_beforehand(self) -> "FeatureSpec":
        for name, column in self.columns("context").items():
            if column in ("candidate_id", "weight", "order", "split"):
                raise ValueError(f"context feature '{name}' reads '{column}', which is unknown before the event")
        return self

    @model_validator(mode="after")
    def _encoded_columns_are_distinct(self) -> "FeatureSpec":
        for sides in (("query", "context"), ("candidate",)):
            owners: dict[str, str] = {HISTORY: HISTORY}
            for name, feature in (item for side in sides for item in self.of(side).items()):
                for column in encoded_names(name, feature):
                    if owners.setdefault(column, name) != name:
                        raise ValueError(
                            f"features '{owners[column]}' and '{name}' are both encoded as '{column}'; rename one"
                        )
        return self

    def of(self, side: Side) -> dict[str, Feature]:
        """Features of one side by name, the candidate id included."""
        if side == "query":
            return dict(self.query)
        if side == "context":
            return dict(self.context)
        return {CANDIDATE_ID: self.candidate_id, **self.candidate}

    def columns(self, side: Side) -> dict[str, str]:
        """Source column of each feature of one side."""
        return {name: feature.column or name for name, feature in self.of(side).items()}


class EncodedColumn(Strict):
    """The encoded form of a feature: one array of shape `[rows, width]`.

    Token columns are int32: 0 is missing or padding, then the out-of-vocabulary rows, then the vocabulary.
    Dense columns are float32.
    """

    feature: str
    """Name of the source feature."""
    kind: Literal["tokens", "dense"]
    """`tokens`: integers to embed. `dense`: numbers to use unchanged."""
    width: int = Field(ge=1)
    """Values per row; shorter lists are padded with 0 at the end."""
    vocabulary_size: int = Field(default=0, ge=0)
    """Rows of the embedding table, including 0 and the out-of-vocabulary rows; 0 for dense columns."""
    embedding_dim: int | None = None
    """The feature's configured `embedding_dim`."""


class EncodedSpec(Strict):
    """All encoded columns by side and column name, e.g. `candidate["title"]`; `spec.json` of a TransformGraph."""

    features: FeatureSpec
    query: dict[str, EncodedColumn]
    context: dict[str, EncodedColumn]
    candidate: dict[str, EncodedColumn]

    def of(self, side: Side) -> dict[str, EncodedColumn]:
        """Encoded columns of one side."""
        columns: dict[str, EncodedColumn] = getattr(self, side)
        return columns
