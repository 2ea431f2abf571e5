"""The questions InfraValidator asks the serving models, and what must hold of the answers."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from components.artifacts import Examples, ServingModel, TransformedExamples
from components.ask import RawAnswer, Session, ask_batches
from components.errors import RefusedError, RunError
from components.publishing import read_description
from components.requests import Request, complete_request, stored_requests
from components.sequences import Dataset, read_dataset
from models.features import HISTORY, FeatureSpec

if TYPE_CHECKING:
    from components.infra_validator import InfraValidationConfig

_LOWEST = -3.4028234663852886e38
"""float32.min, the score of padding."""
_TOLERANCE = 1e-4
_ASKED_ALONE = 3
_TIMED = 50
_NOBODY = "\u00bfnobody knows this id?"


class InfraChecks:
    """Checks of one pair of serving models.

    Attributes:
        passed: number of answers each check has passed, by its name.
    """

    def __init__(
        self,
        examples: Examples,
        transformed_examples: TransformedExamples,
        serving_model: ServingModel,
        params: "InfraValidationConfig",
    ) -> None:
        """Makes the requests; see `InfraValidator.Inputs` for the artifacts."""
        self.passed: dict[str, int] = {}
        self._params = params
        self._directory = serving_model.path
        self._expected = serving_model.read_json("expected_answers.json")[: params.sample_queries]
        self._dataset: Dataset = read_dataset(transformed_examples)
        self._catalogue = self._dataset.candidates.ids
        self._description = read_description(serving_model.path / "exact")
        self._requests = self._make_requests(examples)

    def run(self, progress: Callable[[str], None]) -> dict[str, dict[str, Any]]:
        """Asks both models and checks their answers; returns load and response times by model.

        Raises:
            RefusedError: something does not hold; names the model, the check and an example.
        """
        sessions = {}
        for name, blocked in (("exact", ("scann",)), ("scann", ())):
            progress(f"asking the {name} model")
            sessions[name] = self._ask(name, blocked)
            self._check_inputs(name, sessions[name])
            for answer, batch in zip(sessions[name].answers, self._batches(), strict=True):
                self._check_batch(name, answer, batch)
            self._check_alone(name, sessions[name].answers)
        self._check_expected(sessions["exact"].answers[0])
        self._check_overlap(sessions["scann"].answers[0], sessions["exact"].answers[0])
        return {name: _times(session) for name, session in sessions.items()}

    def _make_requests(self, examples: Examples) -> list[Request]:
        """The stored queries, then one of which nothing is known and one with values never seen."""
        inputs = self._description["inputs"]
        features = FeatureSpec.model_validate(self._description["features"])
        ids = [expected["query_id"] for expected in self._expected]
        requests: list[Mapping[str, Any]] = list(stored_requests(examples, self._dataset, features, ids))
        requests += [{}, {name: _unseen(spec) for name, spec in inputs.items()}]
        known = [{name: value for name, value in request.items() if name in inputs} for request in requests]
        return [complete_request(inputs, request) for request in known]

    def _batches(self) -> list[list[Request]]:
        alone = [[request] for request in (*self._requests[:_ASKED_ALONE], *self._requests[-2:])]
        return [self._requests, *alone, []]

    def _ask(self, name: str, blocked: Sequence[str]) -> Session:
        try:
            return ask_batches(
                self._directory / name,
                self._batches(),
                timeout=self._params.timeout_seconds,
                blocked=blocked,
                timed=_TIMED,
            )
        except RunError as error:
            raise RefusedError(f"the {name} model does not answer in a fresh process: {error}") from error

    def _check_inputs(self, name: str, session: Session) -> None:
        told = self._description["inputs"]
        if session.inputs != told:
            _refuse(name, "inputs", f"its signature takes {session.inputs}, its description tells {told}")
        self._pass("inputs", 1)

    def _check_batch(self, name: str, answer: RawAnswer, batch: Sequence[Request]) -> None:
        if not len(answer.candidate_ids) == len(answer.scores) == len(batch):
            _refuse(name, "shape", f"{len(answer.candidate_ids)} rows of ids for {len(batch)} requests")
        for row, request in enumerate(batch):
            ids, scores = answer.candidate_ids[row], answer.scores[row]
            for check in (self._check_shape, _check_padding, _check_scores, _check_duplicates):
                self._apply(check, name, request, ids, scores)
            if self._description["remove_seen"]:
                self._apply(_check_seen, name, request, ids, scores)
        self._check_catalogue(name, answer)

    def _apply(
        self, check: Callable[..., str | None], name: str, request: Request, ids: list[str], scores: list[float]
    ) -> None:
        label = check.__name__.removeprefix("_check_")
        problem = check(request, ids, scores)
        if problem is not None:
            _refuse(name, label, f"{problem}, asked {_short(request)}")
        self._pass(label, 1)

    def _check_shape(self, request: Request, ids: list[str], scores: list[float]) -> str | None:
        wanted = self._description["top_k"]
        return None if len(ids) == len(scores) == wanted else f"{len(ids)} ids and {len(scores)} scores, not {wanted}"

    def _check_catalogue(self, name: str, answer: RawAnswer) -> None:
        answered = pa.array(sorted({text for row in answer.candidate_ids for text in row if text}), pa.large_string())
        unknown = answered.filter(pc.invert(pc.is_in(answered, value_set=self._catalogue)))
        if len(unknown):
            _refuse(name, "catalogue", f"'{unknown[0].as_py()}' is not a candidate")
        self._pass("catalogue", len(answered))

    def _check_alone(self, name: str, answers: Sequence[RawAnswer]) -> None:
        """A request asked alone must be answered as in a batch."""
        positions = [*range(min(_ASKED_ALONE, len(self._requests))), -2, -1]
        for position, alone in zip(positions, answers[1:-1], strict=True):
            self._check_same_scores(name, "batch_of_one", alone.scores[0], answers[0].scores[position], position)

    def _check_expected(self, answer: RawAnswer) -> None:
        """The exact model must answer as the towers applied to the stored data do."""
        for row, expected in enumerate(self._expected):
            padding = len(answer.scores[row]) - len(expected["scores"])
            scores = expected["scores"] + [_LOWEST] * padding
            self._check_same_scores("exact", "expected_scores", answer.scores[row], scores, row)
            self._check_same_ids(row, answer.candidate_ids[row], expected)

    def _check_same_scores(self, name: str, check: str, found: list[float], wanted: list[float], position: int) -> None:
        for rank, (here, there) in enumerate(zip(found, wanted, strict=True)):
            if not math.isclose(here, there, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
                request = _short(self._requests[position])
                _refuse(name, check, f"score {here} at rank {rank + 1} where {there} was expected, asked {request}")
        self._pass(check, 1)

    def _check_same_ids(self, row: int, found: list[str], expected: Mapping[str, Any]) -> None:
        """Ids must be the same wherever the next expected scores are further away than rounding."""
        ids, scores = expected["candidate_ids"], expected["scores"]
        for rank, wanted in enumerate(ids):
            near = [other for other, score in zip(ids, scores, strict=True) if abs(score - scores[rank]) <= _TOLERANCE]
            last_is_near = abs(scores[rank] - scores[-1]) <= _TOLERANCE
            if found[rank] not in near and not last_is_near:
                asked = f"query '{expected['query_id']}'"
                _refuse("exact", "expected_ids", f"'{found[rank]}' at rank {rank + 1}, not '{wanted}', asked {asked}")
        self._pass("expected_ids", 1)

    def _check_overlap(self, found: RawAnswer, exact: RawAnswer) -> None:
        shared = total = 0
        for ids, wanted in zip(found.candidate_ids, exact.candidate_ids, strict=True):
            shared += len((set(ids) & set(wanted)) - {""})
            total += len(set(wanted) - {""})
        if total and shared / total < self._params.min_overlap:
            least = self._params.min_overlap
            _refuse("scann", "overlap", f"gives {shared / total:.3f} of the exact model's answers, least is {least}")
        self._pass("overlap", total)

    def _pass(self, check: str, count: int) -> None:
        self.passed[check] = self.passed.get(check, 0) + count


def _check_padding(request: Request, ids: list[str], scores: list[float]) -> str | None:
    filled = sum(1 for text in ids if text)
    if any(not text for text in ids[:filled]):
        return "padding between answers"
    if any(score != _LOWEST for score in scores[filled:]):
        return f"padding with scores {scores[filled:]}"
    return None


def _check_scores(request: Request, ids: list[str], scores: list[float]) -> str | None:
    given = [score for text, score in zip(ids, scores, strict=True) if text]
    if not all(math.isfinite(score) and score > _LOWEST for score in given):
        return f"scores that are not finite: {given}"
    falling = all(first >= second for first, second in itertools.pairwise(given))
    return None if falling else f"scores that rise: {given}"


def _check_duplicates(request: Request, ids: list[str], scores: list[float]) -> str | None:
    given = [text for text in ids if text]
    twice = [text for text in dict.fromkeys(given) if given.count(text) > 1]
    return f"'{twice[0]}' is answered {given.count(twice[0])} times" if twice else None


def _check_seen(request: Request, ids: list[str], scores: list[float]) -> str | None:
    seen = (set(ids) & set(request[HISTORY])) - {""}
    return f"'{min(seen)}' is in the history" if seen else None


def _refuse(name: str, check: str, problem: str) -> NoReturn:
    raise RefusedError(f"the {name} model failed the check '{check}': {problem}")


def _unseen(spec: Mapping[str, Any]) -> Any:
    value: Any = {"string": _NOBODY, "float32": 1e6, "int64": 2**40}[spec["dtype"]]
    if len(spec["shape"]) == 1:
        return value
    return [value] * (spec["shape"][1] or 2)


def _short(request: Request) -> str:
    text = str(request)
    return text if len(text) <= 300 else text[:300] + "…"


def _times(session: Session) -> dict[str, Any]:
    assert session.latency_ms is not None
    return {
        "load_seconds": round(session.load_seconds, 3),
        "warm_up_seconds": round(session.warm_up_seconds, 3),
        "latency_ms": round(session.latency_ms, 3),
    }
