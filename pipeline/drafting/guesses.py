"""What kind of feature each column of a table could be."""

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
    """A feature that a column could be.

    Attributes:
        settings: its settings in `features`; empty if it is better left out.
        why: what in the sample speaks for it.
        separator: what separates the values of a text that holds several.
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
        guess: what it could be.
    """

    column: str
    feature: str
    guess: Guess

    @property
    def settings(self) -> Mapping[str, object]:
        """Settings in `features`, with the column where its name is not the feature's."""
        own = {} if self.feature == self.column else {"column": self.column}
        return {**self.guess.settings, **own}


def guess_features(columns: Mapping[str, Column], used: set[str]) -> Iterator[Named]:
    """Features of a table, and the columns that are left out.

    Args:
        columns: of the table.
        used: columns that have a role, or a name that is reserved.
    """
    taken = set(_TAKEN)
    features = 0
    for name, column in columns.items():
        if name in used:
            continue
        guess = guess_feature(column)
        feature = _feature_name(name, taken) if guess.settings else ""
        if guess.settings and (not feature or features == _MOST_FEATURES):
            why = f"more than {_MOST_FEATURES} features" if feature else "no letters to name it by"
            guess, feature = Guess(why=why), ""
        features += bool(feature)
        taken |= {feature, f"{feature}_month", f"{feature}_year"} if feature else set()
        yield Named(name, feature, guess)


def guess_feature(column: Column) -> Guess:
    """What kind of feature a column could be."""
    if column.kind in ("null", "unsupported"):
        return Guess(why="no values" if column.kind == "null" else "its type is not supported")
    if column.kind.startswith("list<"):
        return _guess_list(column)
    if column.distinct <= 1:
        return Guess(why="always the same value")
    if column.kind == "timestamp":
        return Guess({"type": "timestamp", "parts": ["month", "year"]}, "moments")
    if column.kind == "bool":
        return Guess({"type": "categorical"}, "true or false")
    return _guess_number(column) if column.is_number else _guess_text(column)


def _guess_list(column: Column) -> Guess:
    lengths = pc.list_value_length(column.values.drop_null()).to_numpy(zero_copy_only=False)
    if column.kind == "list<float64>":
        if len(lengths) and lengths.min() == lengths.max() > 1:
            return Guess({"type": "vector", "dimension": int(lengths[0])}, "numbers, always as many")
        return Guess(why="lists of numbers of different lengths")
    if not len(lengths) or lengths.max() == 0:
        return Guess(why="empty lists")
    return Guess({"type": "categorical", "max_values": _usual_most(lengths)}, "lists")


def _guess_number(column: Column) -> Guess:
    if column.kind == "int64" and column.distinct <= _FEW:
        return Guess({"type": "categorical"}, f"{column.distinct} different whole numbers")
    names_something = is_key(column.name) or bool(_CODES & set(words(column.name)))
    if column.is_whole and (names_something or (column.is_unique and "attribute" not in concepts(column.name))):
        return Guess(why="numbers that name something, many different")
    return Guess({"type": "numeric"}, "numbers")


def _guess_text(column: Column) -> Guess:
    texts = column.texts()
    if pc.mean(pc.starts_with(texts, "http").cast("int8")).as_py() > 0.5:
        return Guess(why="web addresses")
    if _CODES & set(words(column.name)) or (is_key(column.name) and column.distinct > _FEW):
        return Guess(why="codes that name something, many different")
    odd = _numbers_but_for(column)
    if odd:
        return Guess(why=odd)
    for separator in _SEPARATORS:
        parts = pc.split_pattern(texts, separator)
        lengths = pc.list_value_length(parts).to_numpy()
        few = pc.count_distinct(pc.list_flatten(parts)).as_py() <= max(_FEW, len(texts) // 20)
        if (lengths > 1).mean() > 0.2 and few:
            settings = {"type": "categorical", "max_values": _usual_most(lengths)}
            return Guess(settings, f"several values separated by {separator!r}", separator)
    if column.distinct <= max(min(_FEW, len(texts) // 2), len(texts) // 5):
        return Guess({"type": "categorical"}, f"{column.distinct} different values")
    if pc.mean(pc.count_substring(texts, " ")).as_py() >= 0.5:
        return Guess({"type": "text"}, "words")
    return Guess(why="single words, nearly all different")


def _numbers_but_for(column: Column) -> str:
    """Says which of its values are no numbers, if nearly all are; empty if not."""
    bad = column.not_numbers()
    if not 0 < len(bad) <= column.present // 10:
        return ""
    share = f"{len(bad)} of {column.present} sampled values are not"
    return f"numbers, but {share}: {column.examples(bad)}; mend them, or name them in null_values of the table"


def _usual_most(lengths: np.ndarray) -> int:
    # A list of one is a list, too: a feature of a single value refuses it.
    return int(min(_LONGEST_LIST, max(2, np.quantile(lengths, 0.99))))


def _feature_name(column: str, taken: set[str]) -> str:
    """A name that features may have, not taken yet; empty if the column's has no letter of the alphabet."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in without_accents(column))
    name = plain.strip("_").lstrip("0123456789_")[: _LONGEST_NAME - 4]
    if not name:
        return ""
    names = [name, *(f"{name}_{number}" for number in range(2, 100))]
    return next((each for each in names if not {each, f"{each}_month", f"{each}_year"} & taken), "")


def said_of(named: Named) -> str:
    """Why a column is left out, for a comment."""
    return f"{short(named.column)[1:-1]}: left out, {named.guess.why}"
