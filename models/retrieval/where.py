"""The signatures that select among the candidates by their attributes.

- `recommend_where`: query inputs, `exclude_ids` and the options → the best candidates, as `serving_default`
- `similar_where`: `candidate_id` and the options → the nearest candidates, as `similar_candidates`
- `recommend_known_where` (if the model stores queries): the inputs of `recommend_known` and the options → the best
  candidates, as `recommend_known`

The options are inputs of every row; one that is missing or empty changes nothing, and all given ones hold together:

- `where_NAME` of a filter `any_of`, `all_of` or `none_of`: values, `[batch, any]`; of `equals`: a value, `[batch]`
- `where_NAME_min` and `where_NAME_max` of a filter `range`: numbers, or Unix seconds of a moment, `[batch]`
- `max_per_NAME`: most candidates per value of an attribute, `[batch]`
- `mmr_lambda`: weight of relevance against diversity, from 0 to 1, `[batch]` (see `models.retrieval.selecting`)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from models.retrieval.attributes import Constraint, RangeConstraint, ValueConstraint, Values
from models.retrieval.constrained import INDEXED_SHARE, Asked, ConstrainedSearch, Found
from models.retrieval.filtering import no_answers
from models.retrieval.known_queries import RECOMMEND_KNOWN, KnownQueries
from models.retrieval.selecting import Groups, Selector, Wishes
from models.retrieval.signatures import EXCLUDE_IDS, Answering, Specs, Tensors, id_lists
from models.spec.features import CANDIDATE_ID
from models.spec.selection import (
    MMR_LAMBDA,
    RECOMMEND_KNOWN_WHERE,
    RECOMMEND_WHERE,
    SIMILAR_WHERE,
    FilterKind,
    max_per_input,
)

if TYPE_CHECKING:
    from models.retrieval.serving import ServingModule


@dataclass(frozen=True)
class Attributes:
    """What is known of the candidates, row by row.

    Attributes:
        candidates: number of candidates.
        kinds: kind of each filter by name.
        values: values by the name of a filter that is not a range.
        numbers: numbers by the name of a range, float64 `[candidates]`, NaN for none.
        groups: codes by the name of an attribute that answers can be limited by, int `[candidates]`, -1 for none.
    """

    candidates: int
    kinds: Mapping[str, FilterKind] = field(default_factory=dict)
    values: Mapping[str, Values] = field(default_factory=dict)
    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)


class WhereSignatures(tf.Module):
    """The family of these signatures."""

    def __init__(
        self, attributes: Attributes, *, known: KnownQueries | None = None, indexed_share: float = INDEXED_SHARE
    ) -> None:
        """Stores the attributes.

        Args:
            attributes: of the candidates.
            known: family of the stored queries, which the model has too; None without them.
            indexed_share: see `ConstrainedSearch`.

        Raises:
            ValueError: see `ValueConstraint`.
        """
        super().__init__(name="where")
        self._known = known
        self._candidates, self._indexed_share = attributes.candidates, indexed_share
        self.constraints: dict[str, Constraint] = {
            name: RangeConstraint(name, attributes.numbers[name])
            if kind == "range"
            else ValueConstraint(name, kind, attributes.values[name], candidates=attributes.candidates)
            for name, kind in attributes.kinds.items()
        }
        self.groups = {name: Groups(codes) for name, codes in attributes.groups.items()}

    def inputs(self, query: Specs) -> Mapping[str, Specs]:
        """See `SignatureFamily.inputs`."""
        asked = {
            RECOMMEND_WHERE: {**query, EXCLUDE_IDS: id_lists(EXCLUDE_IDS)},
            SIMILAR_WHERE: {CANDIDATE_ID: tf.TensorSpec([None], tf.string, name=CANDIDATE_ID)},
        }
        if self._known is not None:
            asked[RECOMMEND_KNOWN_WHERE] = self._known.inputs(query)[RECOMMEND_KNOWN]
        return {name: {**inputs, **self._options()} for name, inputs in asked.items()}

    def functions(self, serving: "ServingModule") -> Mapping[str, Answering]:
        """See `SignatureFamily.functions`."""
        # All signatures call one function, since tracing takes seconds.
        find = tf.function(partial(self._find, serving), autograph=False, reduce_retracing=True)

        def options(request: Tensors) -> Tensors:
            return {name: request[name] for name in self._options()}

        def recommend(
            asked: Callable[[Tensors], tuple[tf.Tensor, tf.Tensor]], request: Tensors
        ) -> dict[str, tf.Tensor]:
            queries, seen = asked(request)
            excluded = tf.concat([serving.candidate_ids.rows(request[EXCLUDE_IDS]), seen], axis=1)
            return serving.answers(*find(options(request), queries, excluded))

        def similar(request: Tensors) -> dict[str, tf.Tensor]:
            own = serving.candidate_ids.rows(request[CANDIDATE_ID])[:, None]
            queries = serving.search.vectors(tf.maximum(own[:, 0], 0))
            found = find(options(request), queries, own)
            nothing = no_answers(tf.shape(own)[0], serving.top_k)
            return serving.answers(*(tf.where(own < 0, *both) for both in zip(nothing, found, strict=True)))

        signatures: dict[str, Answering] = {RECOMMEND_WHERE: partial(recommend, serving.asked), SIMILAR_WHERE: similar}
        if self._known is not None:
            signatures[RECOMMEND_KNOWN_WHERE] = partial(recommend, partial(self._known.asked, serving))
        return signatures

    def _options(self) -> Specs:
        """The inputs that all signatures share."""
        options = {name: spec for constraint in self.constraints.values() for name, spec in constraint.inputs().items()}
        for name in map(max_per_input, self.groups):
            options[name] = tf.TensorSpec([None], tf.int64, name=name)
        return {**options, MMR_LAMBDA: tf.TensorSpec([None], tf.float32, name=MMR_LAMBDA)}

    def _find(self, serving: "ServingModule", request: Tensors, queries: tf.Tensor, excluded: tf.Tensor) -> Found:
        search = ConstrainedSearch(
            serving.search, self.constraints, candidates=self._candidates, indexed_share=self._indexed_share
        )
        selector = Selector(serving.search, self.groups, count=serving.top_k, candidates=self._candidates)
        wanted = {name: constraint.wanted(request) for name, constraint in self.constraints.items()}
        asked, wishes = Asked(queries, excluded, wanted), self._wishes(request)
        find = tf.function(search.find, autograph=False, reduce_retracing=True)
        selected, plain = (tf.where(which)[:, 0] for which in (wishes.are_any, ~wishes.are_any))
        found = no_answers(tf.shape(queries)[0], tf.constant(serving.top_k))

        def answer() -> Found:
            return _updated(found, plain, find(asked.part(plain), tf.constant(serving.top_k)))

        def choose() -> Found:
            part = asked.part(selected)
            chosen = selector.select(lambda places, size: find(part.part(places), size), wishes.part(selected))
            return _updated(found, selected, chosen)

        found = tf.cond(tf.size(plain) > 0, answer, lambda: found)
        rows, scores = tf.cond(tf.size(selected) > 0, choose, lambda: found)
        return rows, scores

    def _wishes(self, request: Tensors) -> Wishes:
        most = {
            name: tf.cast(tf.clip_by_value(request[max_per_input(name)], 0, tf.int32.max), tf.int32)
            for name in self.groups
        }
        weights = request[MMR_LAMBDA]
        return Wishes(most, tf.clip_by_value(tf.where(tf.math.is_nan(weights), 1.0, weights), 0.0, 1.0))


def _updated(found: Found, places: tf.Tensor, new: Found) -> Found:
    rows, scores = (
        tf.tensor_scatter_nd_update(old, places[:, None], values) for old, values in zip(found, new, strict=True)
    )
    return rows, scores
