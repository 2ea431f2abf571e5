"""`work`: takes part in a training on several machines."""

import argparse
import tempfile
from pathlib import Path

from dataplane.artifacts import TransformedExamples, TransformGraph
from dataplane.errors import ConfigError
from pipeline.commands import options
from pipeline.commands.signals import stop_on_sigterm


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "work",
        help="take part in the training that `run` does on another machine",
        description="With training.distribution: multi_worker, TF_CONFIG names the machines. Worker 0 runs the "
        "pipeline; every other one is given this command, under a root of its own: it makes the training data as "
        "worker 0 does, trains along, and writes no model. All wait for each other before the first step.",
    )
    options.add_config(parser)
    options.add_root(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Trains along."""
    from components.trainer import Trainer
    from components.trainer.separate_process import train_apart
    from pipeline.config.config import load_config
    from pipeline.create_pipeline import create_pipeline
    from pipeline.execution.metadata import Store
    from pipeline.execution.progress import make_progress
    from pipeline.execution.runner import LocalRunner, Selection, new_run

    config = load_config(arguments.config, arguments.settings)
    if config.training.distribution != "multi_worker":
        raise ConfigError(f"{arguments.config} has no training.distribution: multi_worker, so there is nothing to join")
    stop_on_sigterm()
    root = arguments.root.resolve()
    store, pipeline = Store(root, config.name), create_pipeline(config, root)
    trainer = next(node.component for node in pipeline.nodes if isinstance(node.component, Trainer))
    with make_progress(config.name) as progress:
        data = pipeline.until("Transform")
        done = LocalRunner(store, config.beam, progress).run(data, new_run(arguments.config.resolve()), Selection())
    with tempfile.TemporaryDirectory() as scratch:
        report = train_apart(
            examples=TransformedExamples(store.output(done["Transform"], "transformed_examples")),
            graph=TransformGraph(store.output(done["Transform"], "transform_graph")),
            output=None,
            params=trainer.params,
            reference=None,
            resume=None,
            progress=print,
            scratch=Path(scratch),
        )
    print(f"Trained {report.steps} steps along with worker 0, which has the model")
    return 0
