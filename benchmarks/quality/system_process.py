"""A configuration trained and evaluated with one seed, in a process of its own."""

import pyarrow.parquet as pq

from benchmarks.datasets.prepared import Prepared, prepare
from benchmarks.harness.processes import answer, say_report
from benchmarks.quality.new_candidates import new_auc
from benchmarks.quality.per_query import write_per_query
from benchmarks.quality.tasks import Run, SystemTask
from components.base import ExecutionContext
from components.evaluator import EvaluationConfig, Evaluator, EvaluatorParams
from components.evaluator.executor import two_tower_scorer
from components.trainer import Trainer, TrainerParams
from dataplane.artifacts import Blessing, Evaluation, Model
from dataplane.artifacts.evaluation import Metrics
from dataplane.artifacts.model import TrainingReport
from dataplane.artifacts.transform_graph import read_spec
from dataplane.beam_runner import InProcess
from dataplane.dataset.embedding import candidate_embeddings, first_contexts
from dataplane.dataset.retrieval_task import retrieval_task
from dataplane.dataset.sequences import read_dataset
from pipeline.config.config import load_config


def run_system(asked: SystemTask) -> Run:
    """Executes Trainer and Evaluator."""
    prepared = prepare(load_config(asked.config), asked.prepared)
    context = ExecutionContext(beam=InProcess(), progress=say_report)
    model, evaluation = Model(asked.output / "model"), Evaluation(asked.output / "evaluation")
    _train(asked, prepared, model, context)
    _evaluate(asked, prepared, model, evaluation, context)
    table = pq.read_table(evaluation.path / "per_query.parquet")
    values = {name: table[name].to_numpy() for name in table.column_names if "@" in name}
    write_per_query(asked.output, values, asked.at)
    metrics, fit = Metrics.read(evaluation), TrainingReport.read(model)
    return Run(
        validation=metrics.validation,
        test=metrics.test,
        slices={"query": metrics.slices.query, "candidate": metrics.slices.candidate},
        fit=fit.seconds,
        loss=fit.loss,
        temperature=fit.temperature,
        labels=fit.labels,
        steps=fit.steps,
        new_auc=_new_auc(prepared, model, context),
    )


def _train(asked: SystemTask, prepared: Prepared, model: Model, context: ExecutionContext) -> None:
    config = prepared.config
    training = config.training.model_copy(update={"final_fit": False})
    params = TrainerParams(model=config.model, training=training, remove_seen=config.remove_seen, seed=asked.seed)
    Trainer(params).execute(Trainer.Inputs(prepared.examples, prepared.graph), Trainer.Outputs(model), context)


def _evaluate(
    asked: SystemTask, prepared: Prepared, model: Model, evaluation: Evaluation, context: ExecutionContext
) -> None:
    config = EvaluationConfig(at=(asked.at,), main_at=asked.at, baselines=())
    params = EvaluatorParams(evaluation=config, remove_seen=prepared.config.remove_seen, seed=asked.seed)
    inputs = Evaluator.Inputs(prepared.examples, prepared.graph, model)
    outputs = Evaluator.Outputs(evaluation, Blessing(asked.output / "blessing"))
    Evaluator(params).execute(inputs, outputs, context)


def _new_auc(prepared: Prepared, model: Model, context: ExecutionContext) -> float | None:
    dataset = read_dataset(prepared.examples)
    task = retrieval_task(dataset, "test", remove_seen=prepared.config.remove_seen)
    candidates = candidate_embeddings(model, dataset, context)
    contexts = first_contexts(task.held_out, task.query_rows)
    spec = read_spec(prepared.graph)
    scorer = two_tower_scorer(model, dataset, spec, task, candidates, contexts, context)
    return new_auc(scorer, task, dataset.train_count)


if __name__ == "__main__":
    answer(SystemTask, run_system)
