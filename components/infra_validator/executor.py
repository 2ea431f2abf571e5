"""Asks both serving models and checks their answers."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from components.infra_validator.answer_checks import LOWEST, answer_problem, same_ids, same_scores, shared_answers
from components.infra_validator.signature_checks import SignatureCheck, signature_checks
from dataplane.artifacts import Catalogue, Examples, ServingModel, TransformedExamples
from dataplane.artifacts.infra_blessing import ModelTimes
from dataplane.artifacts.serving_model import ExpectedAnswer, ExpectedAnswers
from dataplane.dataset.sequences import Dataset, read_dataset
from dataplane.errors import RefusedError, RunError
from dataplane.errors.messages import shown
from models.spec.features import HISTORY
from serving.model.ask import RawAnswer, Session, ask_batches
from serving.model.descriptions import InputSpec, read_description
from serving.model.requests import Request, complete_request, stored_requests
from serving.model.served_catalogue import ServedCatalogue

if TYPE_CHECKING:
    from components.infra_validator.params import InfraValidationConfig

_ASKED_ALONE = 3
_TIMED = 50
_SHOWN = 300  # characters of a request
_KNOWN_BEST = 3
_UNKNOWN_ID = "\u00bfnobody knows this id?"


class InfraChecks:
    """Checks of one pair of serving models.

    Attributes:
        passed: number of answers that passed each check, by the check's name.
    """

    def __init__(
        self,
        examples: Examples,
        transformed_examples: TransformedExamples,
        serving_model: ServingModel,
        catalogue: Catalogue | None,
        params: "InfraValidationConfig",
    ) -> None:
        """Makes the requests; `InfraValidator.Inputs` describes the artifacts."""
        self.passed: dict[str, int] = {}
        self._params = params
        self._directory = serving_model.path
        self._expected = ExpectedAnswers.read(serving_model).root[: params.sample_queries]
        self._dataset: Dataset = read_dataset(transformed_examples)
        self._catalogue = ServedCatalogue.of(self._dataset, catalogue).candidates.ids
        self._description = read_description(serving_model.path / "exact")
        self._requests = self._make_requests(examples)
        self._signature_checks = self._make_signature_checks()

    def run(self, progress: Callable[[str], None]) -> dict[str, ModelTimes]:
        """Asks both models and checks their answers; returns load and response times by model.

        Raises:
            RefusedError: a check failed; the message names the model, the check and an example.
        """
        sessions = {}
        for name, blocked in (("exact", ("scann",)), ("scann", ())):
            progress(f"asking the {name} model")
            sessions[name] = self._ask(name, blocked)
            self._check_inputs(name, sessions[name])
            for answer, batch in zip(sessions[name].answers, self._batches(), strict=True):
                self._check_batch(name, answer, batch)
            self._check_signatures(name, sessions[name])
        self._check_alone(sessions["exact"].answers)
        self._check_expected(sessions["exact"].answers[0])
        self._check_overlap(sessions["scann"].answers[0], sessions["exact"].answers[0])
        return {name: _times(session) for name, session in sessions.items()}

    def _make_requests(self, examples: Examples) -> list[Request]:
        """The stored queries, then a request without any value, then one with values that no training data have."""
        inputs, features = self._description.inputs(), self._description.feature_spec()
        ids = [expected.query_id for expected in self._expected]
        requests: list[Mapping[str, Any]] = list(stored_requests(examples, self._dataset, features, ids))
        requests += [{}, {name: _unseen(spec) for name, spec in inputs.items()}]
        known = [{name: value for name, value in request.items() if name in inputs} for request in requests]
        return [complete_request(inputs, request) for request in known]

    def _make_signature_checks(self) -> list[SignatureCheck]:
        expected = self._expected[0] if self._expected else ExpectedAnswer(query_id="", candidate_ids=(), scores=())
        best = dict(list(zip(expected.candidate_ids, expected.scores, strict=True))[:_KNOWN_BEST])
        candidate = self._catalogue[0].as_py()
        return signature_checks(
            self._description, self._requests[0], best=best, candidate=candidate, query=expected.query_id
        )

    def _batches(self) -> list[list[Request]]:
        alone = [[request] for request in (*self._requests[:_ASKED_ALONE], *self._requests[-2:])]
        return [self._requests, *alone, []]

    def _ask(self, name: str, blocked: Sequence[str]) -> Session:
        try:
            return ask_batches(
                self._directory / name,
                self._batches(),
                timeout=self._params.timeout_seconds,
                questions=[check.question for check in self._signature_checks],
                blocked=blocked,
                timed=_TIMED,
            )
        except RunError as error:
            raise RefusedError(f"the {name} model did not answer in a fresh process: {error}") from error

    def _check_inputs(self, name: str, session: Session) -> None:
        described = {name: signature.inputs for name, signature in self._description.signatures.items()}
        if session.inputs != described:
            _refuse(name, "inputs", f"its signatures take {session.inputs}, but its description says {described}")
        self._pass("inputs", 1)

    def _check_batch(self, name: str, answer: RawAnswer, batch: Sequence[Request]) -> None:
        if not len(answer.candidate_ids) == len(answer.scores) == len(batch):
            _refuse(name, "rows", f"{len(answer.candidate_ids)} rows of ids for {len(batch)} requests")
        top_k, remove_seen = self._description.top_k, self._description.remove_seen
        for request, ids, scores in zip(batch, answer.candidate_ids, answer.scores, strict=True):
            problem = answer_problem(ids, scores, top_k=top_k, history=request.get(HISTORY, []) if remove_seen else [])
            if problem is not None:
                _refuse(name, "well_formed", f"{problem}, asked {shown(str(request), _SHOWN)}")
        self._pass("well_formed", len(batch))
        self._check_catalogue(name, answer)

    def _check_signatures(self, name: str, session: Session) -> None:
        for check, reply in zip(self._signature_checks, session.replies, strict=True):
            problem, asked = check.problem(reply), check.question
            if problem is not None:
                _refuse(
                    name, "signatures", f"{asked.signature}: {problem}, asked {shown(str(asked.requests[0]), _SHOWN)}"
                )
        self._pass("signatures", len(self._signature_checks))

    def _check_catalogue(self, name: str, answer: RawAnswer) -> None:
        answered = pa.array(sorted({text for row in answer.candidate_ids for text in row if text}), pa.large_string())
        unknown = answered.filter(pc.invert(pc.is_in(answered, value_set=self._catalogue)))
        if len(unknown):
            _refuse(name, "catalogue", f"'{unknown[0].as_py()}' is not a candidate")
        self._pass("catalogue", len(answered))

    def _check_alone(self, answers: Sequence[RawAnswer]) -> None:
        """A request asked alone must get the same scores as in a batch (a tree searches wider for some batches)."""
        positions = [*range(min(_ASKED_ALONE, len(self._requests))), -2, -1]
        for position, alone in zip(positions, answers[1:-1], strict=True):
            self._check_same_scores("batch_of_one", alone.scores[0], answers[0].scores[position], position)

    def _check_expected(self, answer: RawAnswer) -> None:
        """The exact model must answer as the towers do over the stored data."""
        for row, expected in enumerate(self._expected):
            padding = len(answer.scores[row]) - len(expected.scores)
            scores, ids = [*expected.scores, *[LOWEST] * padding], [*expected.candidate_ids, *[""] * padding]
            self._check_same_scores("expected_scores", answer.scores[row], scores, row)
            problem = same_ids(answer.candidate_ids[row], ids, scores)
            if problem is not None:
                _refuse("exact", "expected_ids", f"{problem}, asked query '{expected.query_id}'")
            self._pass("expected_ids", 1)

    def _check_same_scores(self, check: str, found: list[float], wanted: list[float], row: int) -> None:
        problem = same_scores(found, wanted)
        if problem is not None:
            _refuse("exact", check, f"{problem}, asked {shown(str(self._requests[row]), _SHOWN)}")
        self._pass(check, 1)

    def _check_overlap(self, found: RawAnswer, exact: RawAnswer) -> None:
        rows = [shared_answers(*scores) for scores in zip(found.scores, exact.scores, strict=True)]
        shared, total = (sum(numbers) for numbers in zip(*rows, strict=True))
        if total and shared / total < self._params.min_overlap:
            found_share, least = f"{shared / total:.3f}", self._params.min_overlap
            _refuse("scann", "overlap", f"it gives {found_share} of the exact model's answers, {least} are required")
        self._pass("overlap", total)

    def _pass(self, check: str, count: int) -> None:
        self.passed[check] = self.passed.get(check, 0) + count


def _refuse(name: str, check: str, problem: str) -> NoReturn:
    raise RefusedError(f"the {name} model failed the check '{check}': {problem}")


def _unseen(spec: InputSpec) -> Any:
    value: Any = {"string": _UNKNOWN_ID, "float32": 1e6, "int64": 2**40}[spec.dtype]
    if len(spec.shape) == 1:
        return value
    return [value] * (spec.shape[1] or 2)


def _times(session: Session) -> ModelTimes:
    assert session.latency_ms is not None
    return ModelTimes(
        load_seconds=round(session.load_seconds, 3),
        warm_up_seconds=round(session.warm_up_seconds, 3),
        memory_bytes=session.memory_bytes,
        latency_ms=round(session.latency_ms, 3),
    )
