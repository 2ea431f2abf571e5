"""The summary at the end of a run: is the model good, where is it, how is it asked."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from dataplane import verdict
from dataplane.artifacts import Blessing, Evaluation, InfraBlessing, PushedModel, ServingModel
from dataplane.artifacts.blessing import Verdict
from dataplane.artifacts.evaluation import Metrics
from dataplane.artifacts.infra_blessing import InfraVerdict, ModelTimes
from dataplane.artifacts.pushed_model import Push
from dataplane.artifacts.serving_model import ExpectedAnswers, IndexReport
from dataplane.sources.spans.words import spans_in_words
from dataplane.text_tables import text_table
from pipeline.execution.metadata import Execution, Run, Store
from pipeline.execution.model_data import ATTRIBUTES, INDEXERS
from pipeline.execution.progress import notes
from pipeline.execution.published import REFRESHED, TRAINED

_DATA_STEPS = ("ExampleGen", "CatalogueGen", ATTRIBUTES, "ExampleValidator")
_METRICS = ("recall@10", "hit_rate@10", "ndcg@10", "recall@100", "coverage@10")


def summary(store: Store, run: Run, executions: Mapping[str, Execution], options: Sequence[str] = ()) -> str:
    """The text shown when a run is done.

    Args:
        store: where the executions are kept.
        run: the finished run.
        executions: the execution that stands for each node.
        options: of the command line, such as `--root`, that a next command needs as well.
    """
    parts = [_steps(run)]
    parts.append(_data(executions))
    if ATTRIBUTES in executions:
        parts.append(_attributes(executions[ATTRIBUTES].facts))
    if "CatalogueGen" in executions:
        parts.append(_catalogue(executions["CatalogueGen"].facts))
    if "Evaluator" in executions:
        evaluation = Evaluation(store.output(executions["Evaluator"], "evaluation"))
        parts.append(_metrics(Metrics.read(evaluation)))
        blessing = Blessing(store.output(executions["Evaluator"], "blessing"))
        parts.append("\n".join(verdict.summary(Verdict.read(blessing))))
    if indexer := next((executions[node] for node in INDEXERS if node in executions), None):
        serving_model = ServingModel(store.output(indexer, "serving_model"))
        parts.append(_index(serving_model))
    if validator := executions.get("RefreshInfraValidator") or executions.get("InfraValidator"):
        infra = InfraVerdict.read(InfraBlessing(store.output(validator, "infra_blessing")))
        parts.append(_served(infra.models, IndexReport.read(serving_model).bytes))
    if pusher := executions.get(REFRESHED) or executions.get(TRAINED):  # and so is the indexer that it waited for
        is_new = any(step.execution == pusher.id and step.state == "run" for step in run.steps)
        parts.append(_pushed(PushedModel(store.output(pusher, "pushed_model")), is_new=is_new))
        known = ExpectedAnswers.read(serving_model).root[0].query_id
        again = shlex.join([store.directory.name, *options, "--query-id", known])
        parts.append(f"Ask it     python -m pipeline recommend {again}")
    report = store.report_file(run)
    parts.append((f"Report     {report}\n" if report.exists() else "") + f"Artifacts  {store.directory}")
    return "\n\n".join(part for part in parts if part)


def _steps(run: Run) -> str:
    if all(step.state == "cached" for step in run.steps):
        return f"Nothing to do: all {len(run.steps)} steps are done for these inputs, parameters and code."
    executed = [step for step in run.steps if step.state == "run"]
    cached = [step.node for step in run.steps if step.state == "cached"]
    total = f"Steps      {len(executed)} in {sum(step.seconds for step in run.steps):.1f} s"
    return f"{total}, cached: {', '.join(cached)}" if cached else total


def _data(executions: Mapping[str, Execution]) -> str:
    """What tables describe, and what is suspicious, also where the steps were cached."""
    facts = {node: executions[node].facts for node in _DATA_STEPS if node in executions}
    described = facts.get("ExampleValidator", {})
    lines = [f"spans {spans_in_words(it['spans'])}" for it in facts.values() if "spans" in it]
    lines += [f"{table} {described[table]}" for table in ("queries", "candidates") if table in described]
    lines += [note for each in facts.values() for note in notes(each)]
    return "Data       " + "\n  ".join(lines) if lines else ""


def _catalogue(facts: Mapping[str, Any]) -> str:
    return (
        f"Catalogue  {facts['candidates']:,} candidates: {facts['added']:,} not in the training's, "
        f"{facts['removed']:,} of its removed; the model is the published one, evaluated when it was trained"
    )


def _attributes(facts: Mapping[str, Any]) -> str:
    return (
        f"Attributes of {facts['candidates']:,} candidates, of which {facts['without_row']:,} are not in the table; "
        f"{facts['not_served']:,} others in the table wait for a refresh of the index"
    )


def _index(serving_model: ServingModel) -> str:
    index = IndexReport.read(serving_model)
    recall = ", ".join(f"{name} {value:.4f}" for name, value in index.recall.items())
    known = index.known_queries
    stored = f"\n  known by id: {known.text} in each model" if known else ""
    return (
        f"Index      {index.candidates:,} candidates, {index.search}; against exact search: {recall}\n"
        f"  one query: {index.latency_ms['scann']:.2f} ms, exact {index.latency_ms['exact']:.2f} ms{stored}"
    )


def _served(models: Mapping[str, ModelTimes], sizes: Mapping[str, int]) -> str:
    rows = [
        [
            f"  {name}",
            f"{measured.memory_bytes / 2**20:,.0f} MiB",
            f"{measured.latency_ms:.2f} ms",
            f"{measured.load_seconds:.1f} s",
            f"{sizes[name] / 2**20:,.1f} MiB",
        ]
        for name, measured in models.items()
    ]
    return "\n".join(text_table([["Models", "memory", "a request", "load", "on disk"], *rows], right=range(1, 5)))


def _pushed(pushed_model: PushedModel, *, is_new: bool) -> str:
    """Where the model is, and what its publisher had to tell if that was in this run."""
    pushed = Push.read(pushed_model)
    told = f"\n  {pushed.told}" if is_new and pushed.told else ""
    paths = f"  {pushed.scann}\n  {pushed.exact} (exact, stock TensorFlow)"
    return f"Published  version {pushed.version}\n{paths}{told}"


def _metrics(metrics: Metrics) -> str:
    shown = [name for name in _METRICS if name in metrics.test]
    return "\n".join(verdict.table(verdict.columns(metrics), shown))
