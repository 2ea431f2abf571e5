"""`tune`: searches better settings of the model and its training."""

import argparse
import shlex

from dataplane.artifacts import TransformedExamples, TransformGraph
from dataplane.errors import ConfigError
from pipeline.commands import options


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = verbs.add_parser(
        "tune",
        help="search the settings listed in the configuration's section 'tuning'",
        description="Runs the data steps, then trains one trial after another with settings from the section "
        "'tuning', guided by the validation metric; trials below the median are pruned. The study is kept under the "
        "root: the same command continues it, and a higher tuning.trials adds trials. Writes a configuration file "
        "with the best settings. Needs the extra 'tune' (Optuna).",
    )
    options.add_config(parser)
    options.add_root(parser)
    options.add_display(parser)
    parser.set_defaults(execute=execute, verb="tune")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the search and prints the path of the best configuration."""
    from pipeline.config.config import load_config
    from pipeline.create_pipeline import create_pipeline

    config = load_config(arguments.config, arguments.settings)
    if config.tuning is None:
        raise ConfigError(f"{arguments.config} has no section 'tuning', which lists the settings to search")
    if config.training.distribution == "multi_worker":
        raise ConfigError("tune trains on one machine; add --set training.distribution=none")
    try:
        from pipeline.tuning import Tuner
    except ModuleNotFoundError as error:
        raise ConfigError(f"tune needs {error.name}: pip install 'tfrs-pipeline[tune]'") from None
    pipeline = create_pipeline(config, arguments.root.resolve()).until("Transform")
    with options.session(arguments, config) as session:
        transform, store = session.execute(pipeline)["Transform"], session.store
        tuner = Tuner(
            file=arguments.config,
            settings=arguments.settings,
            config=config,
            examples=TransformedExamples(store.output(transform, "transformed_examples")),
            graph=TransformGraph(store.output(transform, "transform_graph")),
            data_key=transform.fingerprint,
            directory=store.directory / "tuning",
            progress=session.progress.step_progress,
        )
        with session.step("Tuner"):
            best = tuner.run()
    again = shlex.join(["run", str(best), *options.root_given(arguments)])
    text = f"The best settings are in {best}; train and publish them with: python -m pipeline {again}"
    options.conclude(arguments, text)
    return 0
