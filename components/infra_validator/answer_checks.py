"""Checks a serving model's answer to one request."""

import itertools
import math
from collections import Counter
from collections.abc import Collection, Sequence

LOWEST = -3.4028234663852886e38
"""float32.min, the score of padding."""

_TOLERANCE = 1e-4


def answer_problem(ids: Sequence[str], scores: Sequence[float], *, top_k: int, history: Collection[str]) -> str | None:
    """The first problem of an answer that shows without another answer to compare it with; None if it has none.

    Args:
        ids: candidate ids, "" for padding.
        scores: scores of the candidates.
        top_k: required number of ids and of scores.
        history: ids that must not be answered.
    """
    if not len(ids) == len(scores) == top_k:
        return f"{len(ids)} ids and {len(scores)} scores, not {top_k}"
    given = sum(1 for text in ids if text)
    if not all(ids[:given]):
        return f"padding between answers: {list(ids)}"
    if any(score != LOWEST for score in scores[given:]):
        return f"padding with scores: {list(scores[given:])}"
    if not all(math.isfinite(score) and score > LOWEST for score in scores[:given]):
        return f"scores that are not finite: {list(scores[:given])}"
    if any(first < second for first, second in itertools.pairwise(scores[:given])):
        return f"scores that rise: {list(scores[:given])}"
    text, times = Counter(ids[:given]).most_common(1)[0] if given else ("", 0)
    if times > 1:
        return f"'{text}' is answered {times} times"
    forbidden = set(history)
    seen = [text for text in ids[:given] if text in forbidden]
    return f"'{seen[0]}' is in the history" if seen else None


def same_scores(found: Sequence[float], wanted: Sequence[float]) -> str | None:
    """The first rank at which scores differ by more than rounding; None if there is none."""
    tolerance = _tolerance(wanted)
    for rank, (here, there) in enumerate(zip(found, wanted, strict=True), start=1):
        if here != there and not abs(here - there) <= tolerance:
            return f"score {here} at rank {rank} where {there} was expected"
    return None


def same_ids(found: Sequence[str], wanted: Sequence[str], scores: Sequence[float]) -> str | None:
    """The first rank at which ids differ; None if there is none. Ids of equal scores may change places.

    Args:
        found: the ids under test.
        wanted: the expected ids.
        scores: scores of `wanted`, highest first.
    """
    tolerance = _tolerance(scores)
    score_of = {text: score for text, score in zip(wanted, scores, strict=True) if text}
    for rank, text in enumerate(found):
        # Any of the candidates that tie for the last place may be listed.
        own = score_of.get(text, scores[-1])
        if text != wanted[rank] and not abs(own - scores[rank]) <= tolerance:
            return f"'{text}' at rank {rank + 1} where '{wanted[rank]}' was expected"
    return None


def shared_answers(scores: Sequence[float], exact: Sequence[float]) -> tuple[int, int]:
    """Number of answers that are as good as those of exact search, and number of exact answers.

    Args:
        scores: scores of the answers under test.
        exact: scores of the exact answers; as many.
    """
    wanted = [score for score in exact if score > LOWEST]
    if not wanted:
        return 0, 0
    return sum(score >= min(wanted) - _tolerance(exact) for score in scores), len(wanted)


def _tolerance(scores: Sequence[float]) -> float:
    return _TOLERANCE * max((abs(score) for score in scores if score > LOWEST), default=0.0)
