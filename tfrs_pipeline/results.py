"""One run of a pipeline, and what it found out."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from dataplane.errors import ConfigError, RunError
from dataplane.errors.for_users import errors_for_users
from tfrs_pipeline.pages import Report, run_page
from tfrs_pipeline.tables import Metrics, Table

if TYPE_CHECKING:
    from pipeline.asking import RunModels
    from pipeline.execution.metadata import Store
    from pipeline.execution.records import Run as Record
    from pipeline.reporting.facts import Documents, RunFacts
    from pipeline.reporting.sections.verdict import VerdictView
    from serving.model.ask import Answer

DocumentT = TypeVar("DocumentT")
Id: TypeAlias = str | int
"""An id as data have it; models take texts."""


class Run:
    """A run, as `tp.run` returns and `tp.load` finds it; notebooks show its verdict and its metrics.

    What the run did not get to, such as the metrics of a run whose data were refused, raises `RunError`.

    Attributes:
        id: the run's id.
        pipeline: name of the pipeline.
        state: done, refused, failed, interrupted or running.
        message: why it ended early; "" if it is done.
    """

    def __init__(self, store: "Store", record: "Record") -> None:
        self._store = store
        self._record = record
        self.id = record.id
        self.pipeline = store.directory.name
        self.state = record.state
        self.message = record.message

    @cached_property
    def documents(self) -> "Documents":
        """The JSON files of the steps as typed models; None for a step that did not end."""
        return self._facts.documents

    @property
    def metrics(self) -> Metrics:
        """Metrics of the model on the test events by name; `metrics.table` has the baselines and intervals, too."""
        from tfrs_pipeline.tabulating import metrics_of

        return metrics_of(self._made(self.documents.metrics, "metrics"))

    @property
    def slices(self) -> Table:
        """Metrics of slices of the queries, such as those with short histories."""
        from tfrs_pipeline.tabulating import slices_of

        return slices_of(self._made(self.documents.metrics, "metrics"))

    @property
    def curve(self) -> Table:
        """Loss and validation metrics over the training, a row for each validation."""
        from tfrs_pipeline.tabulating import curve_of

        return curve_of(self._made(self.documents.training, "training"))

    @property
    def statistics(self) -> Table:
        """Statistics of every column of the data."""
        from tfrs_pipeline.tabulating import statistics_of

        return statistics_of(self._made(self.documents.statistics, "statistics"))

    @property
    def index(self) -> Table:
        """Recall of the index against its latency, a row for each setting that was measured."""
        from tfrs_pipeline.tabulating import index_of

        return index_of(self._made(self.documents.index, "index"))

    @property
    def steps(self) -> Table:
        """The steps: cached or run, and their durations."""
        from tfrs_pipeline.tabulating import steps_of

        return steps_of(self._record.steps)

    @property
    def settings(self) -> dict[str, Any]:
        """What the configuration and the overrides set, nested as in the file."""
        return dict(self._record.settings)

    @property
    def version(self) -> int | None:
        """The version that is served after this run; None if the run did not get to publishing."""
        return self.documents.push.version if self.documents.push else None

    def artifact(self, step: str, output: str | None = None) -> Path:
        """Directory of what a step made.

        Args:
            step: name of the step, such as Evaluator.
            output: name of the output; None if the step has only one.

        Raises:
            ConfigError: the run has no such step, or the step no such output.
        """
        execution = self._facts.executions.get(step)
        if execution is None:
            raise ConfigError(f"no finished step '{step}'; there is {', '.join(self._facts.executions) or 'none'}")
        names = execution.outputs
        name = names[0] if output is None and len(names) == 1 else output
        if name not in names:
            raise ConfigError(f"which output of {step}? There is {', '.join(names)}")
        return self._store.output(execution, name)

    def recommend(
        self,
        query_id: Id | Iterable[Id] | None = None,
        *,
        features: Mapping[str, Any] | None = None,
        history: Iterable[Id] | None = None,
        k: int = 10,
        exact: bool = False,
    ) -> Table:
        """Asks the model that this run made, published or not, in a process of its own.

        Args:
            query_id: a query of the data, or several; their stored features and history are looked up.
            features: query and context features by name; they stand before the stored ones.
            history: candidate ids, the most recent last; it stands before the stored one.
            k: number of answers, at most the configuration's `serving.top_k`.
            exact: ask the exact model instead of the ScaNN model.

        Returns:
            `rank`, `candidate_id`, `title` if the candidates have one, `score`; first `query_id` if it was given.

        Raises:
            ConfigError: a query is unknown, the list of queries is empty, or a value does not fit the model.
            RunError: the run made no model, or the model is damaged or does not answer.
        """
        from pipeline.asking import RunModels

        given = dict(features or {}) | ({} if history is None else {"history": [str(it) for it in history]})
        names = _texts(query_id)
        with errors_for_users():
            models = RunModels.of(self._store, self._record)
            requests = [{**stored, **given} for stored in models.stored(names)] if names else [given]
            answers = models.recommend(requests, exact=exact)
            return _table(models, dict(zip(names or [""], answers, strict=True)), k)

    def similar(self, candidate_id: Id, *, k: int = 10, exact: bool = False) -> Table:
        """The candidates whose embeddings are most like that of one candidate; none for an unknown one.

        Args:
            candidate_id: the candidate.
            k: number of answers, at most the configuration's `serving.top_k`.
            exact: ask the exact model instead of the ScaNN model.

        Raises:
            RunError: the run made no model, or the model is damaged or does not answer.
        """
        from pipeline.asking import RunModels

        with errors_for_users():
            models = RunModels.of(self._store, self._record)
            return _table(models, {"": models.similar(str(candidate_id), exact=exact)}, k)

    def report(self) -> Report:
        """Makes the report, one HTML page, which notebooks show; `open()` shows it in the browser."""
        from pipeline.reporting.writing import remake_report

        with errors_for_users():
            return Report(remake_report(self._store, self._record))

    def __repr__(self) -> str:
        return f"<run {self.id} of {self.pipeline}: {self._verdict.headline}>"

    def _repr_html_(self) -> str:
        table = self.metrics.table if self.documents.metrics else None
        return run_page(self._facts, self._verdict, table)

    @cached_property
    def _facts(self) -> "RunFacts":
        from pipeline.reporting.collecting import collect

        with errors_for_users():
            return collect(self._store, self._record)

    @property
    def _verdict(self) -> "VerdictView":
        from pipeline.reporting.sections.verdict import build

        return build(self._facts)

    def _made(self, document: DocumentT | None, what: str) -> DocumentT:
        """What a step made.

        Raises:
            RunError: the step did not end.
        """
        if document is None:
            raise RunError(f"run {self.id} has no {what}: {self._verdict.headline}")
        return document


def _texts(ids: Id | Iterable[Id] | None) -> list[str]:
    """One id or several as texts; ids often are numbers."""
    if ids is None:
        return []
    if isinstance(ids, str) or not isinstance(ids, Iterable):
        return [str(ids)]
    found = [str(it) for it in ids]
    if not found:
        raise ConfigError("recommend: the list of queries is empty; leave it out to ask with features or history")
    return found


def _table(models: "RunModels", answers: "Mapping[str, Answer]", k: int) -> Table:
    """The first `k` answers to each query, with titles."""
    from tfrs_pipeline.tabulating import answers_of

    ids = {name for answer in answers.values() for name in answer.candidate_ids[:k]}
    return answers_of(answers, models.titles(ids), k=k)
