"""Guesses the type of feature of each column."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow.compute as pc

from pipeline.drafting.names import concepts, is_key, without_accents, words
from pipeline.drafting.profile import Column, short

_SEPARATORS = ("|", ";", ",")
_FEW = 50
_LONGEST_LIST = 20
_MOST_FEATURES = 100
_LONGEST_NAME = 64
_CODES = {"zip", "zipcode", "postcode", "postal", "plz", "phone"}
_TAKEN = {"history", "candidate_ids", "exclude_ids", "allow_ids", "candidate_id", "query_id", "example_age"}


@dataclass(frozen=True)
class Guess:
    """A possible feature of a column.

    Attributes:
        settings: its settings in `features`; empty if the column is better left out.
        why: evidence from the sample.
        separator: separator of a text with several values.
    """

    settings: Mapping[str, object] = field(default_factory=dict)
    why: str = ""
    separator: str | None = None


@dataclass(frozen=True)
class Named:
    """A guess with the name of its feature.

    Attributes:
        column: source column.
        feature: name in `features`; empty if the column is left out.
        guess: the guess.
    """

    column: str
    feature: str
    guess: Guess

    @property
    def settings(self) -> Mapping[str, object]:
        """The settings in `features`; they name the column if the feature has another name."""
        own = {} if self.feature == self.column else {"column": self.column}
        return {**self.guess.settings, **own}


def guess_features(columns: Mapping[str, Column], used: set[str]) -> Iterator[Named]:
    """Guesses the features of a table; columns to leave out are included without a feature name.

    Args:
        columns: columns of the table.
        used: columns with a role or a reserved name.
    """
    taken = set(_TAKEN)
    features = 0
    for name, column in columns.items():
        if name in used:
            continue
        guess = guess_feature(column)
        feature = _feature_name(name, taken) if guess.settings else ""
        if guess.settings and (not feature or features == _MOST_FEATURES):
            why = f"more than {_MOST_FEATURES} features" if feature else "its name has no letters for a feature name"
            guess, feature = Guess(why=why), ""
        features += bool(feature)
        taken |= {feature, f"{feature}_month", f"{feature}_year"} if feature else set()
        yield Named(name, feature, guess)


def guess_feature(column: Column) -> Guess:
    """Guesses the type of feature of a column."""
    if column.kind in ("null", "unsupported"):
        return Guess(why="no values" if column.kind == "null" else "its type is not supported")
    if column.kind.startswith("list<"):
        return _guess_list(column)
    if column.distinct <= 1:
        return Guess(why="always the same value")
    if column.kind == "timestamp":
        return Guess({"type": "timestamp", "parts": ["month", "year"]}, "times")
    if column.kind == "bool":
        return Guess({"type": "categorical"}, "true or false")
    return _guess_number(column) if column.is_number else _guess_text(column)


def _guess_list(column: Column) -> Guess:
    lengths = pc.list_value_length(column.values.drop_null()).to_numpy(zero_copy_only=False)
    if column.kind == "list<float64>":
        if len(lengths) and lengths.min() == lengths.max() > 1:
            return Guess({"type": "vector", "dimension": int(lengths[0])}, "lists of numbers of equal length")
        return Guess(why="lists of numbers of different lengths")
    if not len(lengths) or lengths.max() == 0:
        return Guess(why="empty lists")
    return Guess({"type": "categorical", "max_values": _usual_most(lengths)}, "lists")


def _guess_number(column: Column) -> Guess:
    if column.kind == "int64" and column.distinct <= _FEW:
        return Guess({"type": "categorical"}, f"{column.distinct} distinct whole numbers")
    names_something = is_key(column.name) or bool(_CODES & set(words(column.name)))
    if column.is_whole and (names_something or (column.is_unique and "attribute" not in concepts(column.name))):
        return Guess(why="many distinct numbers that identify something")
    return Guess({"type": "numeric"}, "numbers")


def _guess_text(column: Column) -> Guess:
    texts = column.texts()
    if pc.mean(pc.starts_with(texts, "http").cast("int8")).as_py() > 0.5:
        return Guess(why="web addresses")
    if _CODES & set(words(column.name)) or (is_key(column.name) and column.distinct > _FEW):
        return Guess(why="many distinct codes that identify something")
    odd = _numbers_but_for(column)
    if odd:
        return Guess(why=odd)
    for separator in _SEPARATORS:
        parts = pc.split_pattern(texts, separator)
        lengths = pc.list_value_length(parts).to_numpy()
        few = pc.count_distinct(pc.list_flatten(parts)).as_py() <= max(_FEW, len(texts) // 20)
        if (lengths > 1).mean() > 0.2 and few:
            settings = {"type": "categorical", "max_values": _usual_most(lengths)}
            return Guess(settings, f"several values, separated by {separator!r}", separator)
    if column.distinct <= max(min(_FEW, len(texts) // 2), len(texts) // 5):
        return Guess({"type": "categorical"}, f"{column.distinct} distinct values")
    if pc.mean(pc.count_substring(texts, " ")).as_py() >= 0.5:
        return Guess({"type": "text"}, "words")
    return Guess(why="single words, nearly all distinct")


def _numbers_but_for(column: Column) -> str:
    """Explains which values are not numbers, if nearly all are; empty otherwise."""
    bad = column.not_numbers()
    if not 0 < len(bad) <= column.present // 10:
        return ""
    share = f"{len(bad)} of {column.present} sampled values are not"
    return f"numbers, but {share}: {column.examples(bad)}; correct them, or list them in null_values of the table"


def _usual_most(lengths: np.ndarray) -> int:
    # At least 2, because a feature with max_values 1 refuses lists.
    return int(min(_LONGEST_LIST, max(2, np.quantile(lengths, 0.99))))


def _feature_name(column: str, taken: set[str]) -> str:
    """A valid feature name that is not taken; empty if the column's name has no letters."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in without_accents(column))
    name = plain.strip("_").lstrip("0123456789_")[: _LONGEST_NAME - 4]
    if not name:
        return ""
    names = [name, *(f"{name}_{number}" for number in range(2, 100))]
    return next((each for each in names if not {each, f"{each}_month", f"{each}_year"} & taken), "")


def why_left_out(named: Named) -> str:
    """Explains in a comment why a column is left out."""
    return f"{short(named.column)[1:-1]}: left out; {named.guess.why}"
