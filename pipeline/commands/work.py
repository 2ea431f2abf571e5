"""`work`: joins a training that is spread over several machines."""

import argparse
import tempfile
from pathlib import Path

from dataplane.artifacts import TransformedExamples, TransformGraph
from dataplane.errors import ConfigError
from pipeline.commands import options


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "work",
        help="join the training that `run` does on another machine",
        description="With training.distribution: multi_worker, TF_CONFIG names the machines. Worker 0 executes `run`; "
        "every other worker executes this command under its own root. It prepares the same training data as worker "
        "0, joins the training and writes no model. All workers wait for each other before the first step.",
    )
    options.add_config(parser)
    options.add_root(parser)
    options.add_display(parser)
    parser.set_defaults(execute=execute, verb="work")


def execute(arguments: argparse.Namespace) -> int:
    """Trains together with the other workers."""
    from components.trainer import Trainer
    from components.trainer.separate_process import train_apart
    from pipeline.config.config import load_config
    from pipeline.create_pipeline import create_pipeline

    config = load_config(arguments.config, arguments.settings)
    if config.training.distribution != "multi_worker":
        raise ConfigError(f"{arguments.config} has no training.distribution: multi_worker, so there is nothing to join")
    pipeline = create_pipeline(config, arguments.root.resolve())
    trainer = next(node.component for node in pipeline.nodes if isinstance(node.component, Trainer))
    with options.session(arguments, config) as session, tempfile.TemporaryDirectory() as scratch:
        transform, store = session.execute(pipeline.until("Transform"))["Transform"], session.store
        with session.step("Trainer"):
            report = train_apart(
                examples=TransformedExamples(store.output(transform, "transformed_examples")),
                graph=TransformGraph(store.output(transform, "transform_graph")),
                output=None,
                params=trainer.params,
                reference=None,
                resume=None,
                progress=session.progress.step_progress,
                scratch=Path(scratch),
            )
    options.conclude(arguments, f"Trained {report.steps} steps together with worker 0, which has the model")
    return 0
